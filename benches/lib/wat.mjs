import wabt from 'wabt';

const { parseWat } = await wabt();

/** @param {string} text @param {string} name for messages @returns {Uint8Array} */
export function assemble(text, name) {
  const module = parseWat(name, text, { bulk_memory: true });
  try {
    return module.toBinary({}).buffer;
  } finally {
    module.destroy();
  }
}

/** A system call with its arguments: numbers are i32, BigInts i64, `load(address)` the i32 that is there. */
export const call = (name, ...args) => ({ name, args });

export const load = (address) => ({ address });

/**
 * A guest that exports a function for each entry. `name(n)` makes the entry's calls n times over and returns
 * the sum of their errnos: 0 if all went well.
 *
 * @param {Record<string, ReturnType<typeof call>[]>} functions
 * @param {number} pages of memory, each of 64 KiB
 */
export function loops(functions, pages) {
  const calls = Object.values(functions).flat();
  const imports = new Map(calls.map((call) => [call.name, importOf(call)]));
  return `(module
    ${[...imports.values()].join('\n')}
    (memory (export "memory") ${pages})
    (func (export "_start"))
    ${Object.entries(functions).map(loop).join('\n')})`;
}

function importOf({ name, args }) {
  const types = args.map((arg) => (typeof arg === 'bigint' ? 'i64' : 'i32')).join(' ');
  return `(import "wasi_snapshot_preview1" "${name}" (func $${name} (param ${types}) (result i32)))`;
}

function loop([name, calls]) {
  const add = (call) =>
    `(local.set $errnos (i32.add (local.get $errnos) (call $${call.name} ${call.args.map(argument).join(' ')})))`;
  return `(func (export "${name}") (param $n i32) (result i32) (local $errnos i32)
    (loop $again
      ${calls.map(add).join('\n')}
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $errnos))`;
}

function argument(arg) {
  if (typeof arg === 'bigint') return `(i64.const ${arg})`;
  if (typeof arg === 'number') return `(i32.const ${arg})`;
  return `(i32.load (i32.const ${arg.address}))`;
}
