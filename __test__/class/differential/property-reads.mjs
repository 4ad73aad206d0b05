// Which properties of the options are read, how often and in which order.

import { describe } from 'node:test';
import { sameOutcomes } from './compare.mjs';
import { OPTIONS } from './values.mjs';

describe('property reads', () => {
  /** A Proxy that logs everything done to it, and to the objects that it gives, under a path. */
  function logging(target, log, path = 'options') {
    const handler = {};
    for (const trap of Reflect.ownKeys(Reflect).filter((key) => typeof key === 'string')) {
      handler[trap] = (...args) => {
        log.push([trap, path, ...args.slice(1, 2).map(String)]);
        const found = Reflect[trap](...args);
        const wraps = trap === 'get' && typeof found === 'object' && found !== null;
        return wraps ? logging(found, log, `${path}.${String(args[1])}`) : found;
      };
    }
    return new Proxy(target, handler);
  }

  const full = {
    version: 'preview1',
    args: ['a', 'b'],
    env: { A: '1', B: undefined },
    preopens: { '/': '/', '/x': '/' },
    stdin: 0,
    stdout: 1,
    stderr: 2,
    returnOnExit: true,
  };

  const variants = {
    'all options': full,
    'no option': {},
    'version alone': { version: 'unstable' },
    'a wrong version': { version: 'preview9' },
    'empty ones': { ...full, args: [], env: {}, preopens: {} },
    'inherited ones': Object.create(full),
    'args null': { ...full, args: null },
    'args 0': { ...full, args: 0 },
    'args false': { ...full, args: false },
    'all undefined': Object.fromEntries(
      OPTIONS.map((option) => [option, option === 'version' ? 'preview1' : undefined]),
    ),
    ...Object.fromEntries(
      OPTIONS.map((option) => [`a wrong ${option}`, { ...full, [option]: 1.5 }]),
    ),
    ...Object.fromEntries(
      OPTIONS.map((option) => [`a null ${option}`, { ...full, [option]: null }]),
    ),
    ...Object.fromEntries(
      OPTIONS.map((option) => [`a function as ${option}`, { ...full, [option]() {} }]),
    ),
  };

  sameOutcomes(
    'of the options, and of what they hold: the same, in the same order',
    Object.entries(variants).map(([name, options]) => [
      name,
      (Class, log) => new Class(logging(options, log)),
    ]),
  );

  sameOutcomes(
    'a getter that answers something else each time',
    OPTIONS.flatMap((option) =>
      [0, 1, 2, 3].map((after_) => [
        `${option} changes after ${after_} reads`,
        (Class, log) => {
          let reads = 0;
          const options = { ...full };
          Object.defineProperty(options, option, {
            get() {
              log.push(option);
              return reads++ < after_ ? full[option] : Symbol('changed');
            },
          });
          return new Class(options);
        },
      ]),
    ),
  );

  sameOutcomes(
    'a getter that throws',
    OPTIONS.flatMap((option) =>
      [0, 1, 2].map((after_) => [
        `${option} throws after ${after_} reads`,
        (Class) => {
          let reads = 0;
          const options = { ...full };
          Object.defineProperty(options, option, {
            get() {
              if (reads++ < after_) return full[option];
              throw new RangeError(`no ${option}`);
            },
          });
          return new Class(options);
        },
      ]),
    ),
  );
});
