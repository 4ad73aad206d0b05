import * as host from 'example:plugin/host';

export const api = {
  name: () => 'shout',
  transform(text) {
    if (text === '') throw 'there is nothing to shout';
    if (text === 'for ever') for (;;);
    host.log(`shouting ${text}`);
    return `${text.toUpperCase()}!`;
  },
};
