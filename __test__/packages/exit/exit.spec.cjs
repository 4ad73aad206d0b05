'use strict';

const exit = require('./guest.cjs');

describe('a guest that ends the process', () => {
  it('comes after this', () => console.log('a line of the first'));
  it('exits', exit);
  it('is never reached', () => console.log('a line of the last'));
});
