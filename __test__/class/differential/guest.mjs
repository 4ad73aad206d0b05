// What the guest is handed of its arguments, environment and directories.

import { describe } from 'node:test';
import { Guest } from '../../support/guest.mjs';
import { sameOutcomes } from './compare.mjs';
import { VALUES } from './values.mjs';

describe('what the guest sees', () => {
  const strings = Object.entries(VALUES).filter(([, make]) => typeof make() === 'string');
  const hasNul = ([, make]) => make().includes('\0');
  const numbers = ['-0', 'NaN', '1.5', '2**53', '7n', 'null', 'true', "['a', 1]", 'a Date'];
  const values = [
    ...strings.filter((value) => !hasNul(value)),
    ...numbers.map((name) => [name, VALUES[name]]),
  ];

  /** What a pair of calls hands over: the answers, how many, the addresses and the bytes. */
  const handedOver = (Class, options, sizes, get) => {
    const guest = new Guest(options, { Class, memory: '2' });
    const errnos = [guest.call(sizes, 0, 4), guest.call(get, 64, 1024)];
    const [count, length] = [guest.u32(0), guest.u32(4)];
    const addresses = Array.from({ length: count }, (_, index) => guest.u32(64 + 4 * index));
    return { errnos, addresses, bytes: guest.bytes(1024, length).toString('latin1') };
  };
  const args = ([type, make]) => [
    `the guest's args: ${type}`,
    (Class) => handedOver(Class, { args: [make()].flat() }, 'args_sizes_get', 'args_get'),
  ];
  const env = ([type, make]) =>
    [{ A: make() }, { [make()]: '1' }, { B: '2', [make()]: make(), A: undefined }].map(
      (variables, index) => [
        `the guest's env: ${type}, form ${index}`,
        (Class) => handedOver(Class, { env: variables }, 'environ_sizes_get', 'environ_get'),
      ],
    );
  const preopens = ([type, make]) => [
    `the guest's preopen: ${type}`,
    (Class) => {
      const guest = new Guest({ preopens: { [make()]: '/', last: '/' } }, { Class, memory: '2' });
      return [3, 4, 5].map((fd) => {
        if (guest.call('fd_prestat_get', fd, 0) !== 0) return 'none';
        const length = guest.u32(4);
        const errno = guest.call('fd_prestat_dir_name', fd, 64, length);
        return [errno, guest.bytes(64, length).toString('latin1')];
      });
    },
  ];

  sameOutcomes('of args', [...values, ['several', () => ['a', '', 'b']]].map(args));
  sameOutcomes('of no args', [args(['none', () => []])]);
  sameOutcomes('of env', values.flatMap(env));
  sameOutcomes('of the names of preopens', values.map(preopens));
  sameOutcomes(
    'of strings with a NUL inside',
    strings.filter(hasNul).flatMap((value) => [args(value), ...env(value), preopens(value)]),
  );
});
