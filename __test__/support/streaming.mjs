// Components of text whose functions take and give streams and futures.

import { assembleComponent } from './components.mjs';
import { textOf } from './wasi-0.3.mjs';

/** The elements that a relay takes at once, and gives at once: it is not for those that are taken one by one. */
const PIECE = 3;

/**
 * A component that exports for each type `streamOf` and `futureOf` with its number: they hand elements on from
 * the stream or future that they take to the one that they return, after they have returned it.
 *
 * It exports more functions: `count` writes so many numbers of 32 bits, one by one; `same` returns the stream
 * that it takes; `total` returns the sum of a stream of numbers; `flood` writes so many elements that have no
 * value, all at once; `ask` calls the embedder's asynchronous
 * function `ask`; `listen` hands it a stream and returns the one that it gives; `spin` never ends.
 *
 * But for `ask`, they wait as a whole: the component does nothing else before they have ended.
 *
 * @param {(string | undefined)[]} types in text; undefined for streams that have no elements
 * @param {object} [options]
 * @param {string[]} [options.definitions] of types that those are made of
 * @param {number} [options.piece] the number of elements, but for bytes, that a relay takes at once
 */
export function streaming(types, { definitions = [], piece: most = PIECE } = {}) {
  /** @type {Record<string, [string, string]>} */
  const builtins = {};
  const [code, defined, lifted, exported] = [[], [], [], []];
  const add = (/** @type {string} */ kind, /** @type {string} */ id, type = '', piece = PIECE) => {
    defined.push(`(type $${id} (${kind} ${type}))`);
    Object.assign(builtins, {
      [`new-${id}`]: [`${kind}.new $${id}`, '(result i64)'],
      [`read-${id}`]: [
        `${kind}.read $${id} async (memory $memory) (realloc $realloc)`,
        `(param i32 i32 ${kind === 'stream' ? 'i32' : ''}) (result i32)`,
      ],
      [`write-${id}`]: [
        `${kind}.write $${id} async (memory $memory) (realloc $realloc)`,
        `(param i32 i32 ${kind === 'stream' ? 'i32' : ''}) (result i32)`,
      ],
      [`drop-readable-${id}`]: [`${kind}.drop-readable $${id}`, '(param i32)'],
      [`drop-writable-${id}`]: [`${kind}.drop-writable $${id}`, '(param i32)'],
      [`return-${id}`]: [`task.return (result $${id})`, '(param i32)'],
    });
    const count = (/** @type {string} */ number) => (kind === 'stream' ? number : '');
    const hand = `(local $pair i64) (local $to i32) (local $got i32) (local $put i32)
      (local.set $pair (call $new-${id}))
      (local.set $to (call $high (local.get $pair)))
      (call $return-${id} (call $low (local.get $pair)))
      (block $end
        (loop $more
          (local.set $got (call $settle (local.get $from)
            (call $read-${id} (local.get $from) (i32.const 1024) ${count(`(i32.const ${piece})`)})))
          ${
            kind === 'future'
              ? ''
              : `(if (i32.shr_u (local.get $got) (i32.const 4))
                  (then`
          }
          (local.set $put (call $settle (local.get $to)
            (call $write-${id} (local.get $to) (i32.const 1024)
              ${count('(i32.shr_u (local.get $got) (i32.const 4))')})))
          ${
            kind === 'future'
              ? '(br $end)'
              : `(br_if $end (i32.and (local.get $put) (i32.const 15)))
                 (if (i32.ne (local.get $put) (i32.and (local.get $got) (i32.const -16))) (then unreachable))))
                (br_if $more (i32.eqz (i32.and (local.get $got) (i32.const 15))))`
          }))
      (call $drop-readable-${id} (local.get $from))
      (call $drop-writable-${id} (local.get $to))
      (i32.const 0)`;
    code.push(`(func (export "hand-${id}") (param $from i32) (result i32) ${hand})`);
  };
  const lift = (/** @type {string} */ name, /** @type {string} */ type, how = '') => {
    lifted.push(
      `(func $${name} ${type} (canon lift (core func $main "${name}") (memory $memory) (realloc $realloc) ${how}))`,
    );
    exported.push(`(export "${name}" (func $${name}))`);
  };
  const asTask = 'async (callback (core func $main "callback"))';
  for (const [index, type] of types.entries()) {
    for (const kind of ['stream', 'future']) {
      const id = `${kind}-of${index}`;
      add(kind, id, type, type === 'u8' ? 4096 : most);
      const name = `hand-${id}`;
      lifted.push(
        `(func $${name} async (param "from" $${id}) (result $${id}) (canon lift (core func $main "${name}") ${asTask}))`,
      );
      exported.push(`(export "${id}" (func $${name}))`);
    }
  }
  add('stream', 'numbers', 'u32');
  add('stream', 'units');
  code.push(`
    (func (export "count") (param $count i32) (result i32) (local $pair i64) (local $to i32)
      (local.set $pair (call $new-numbers))
      (local.set $to (call $high (local.get $pair)))
      (call $return-numbers (call $low (local.get $pair)))
      (i32.store (i32.const 1024) (i32.const 0))
      (block $end
        (loop $more
          (br_if $end (i32.eq (i32.load (i32.const 1024)) (local.get $count)))
          (br_if $end (i32.and (i32.const 15) (call $settle (local.get $to)
            (call $write-numbers (local.get $to) (i32.const 1024) (i32.const 1)))))
          (i32.store (i32.const 1024) (i32.add (i32.load (i32.const 1024)) (i32.const 1)))
          (br $more)))
      (call $drop-writable-numbers (local.get $to))
      (i32.const 0))
    (func (export "flood") (param $count i32) (result i32) (local $pair i64) (local $to i32)
      (local.set $pair (call $new-units))
      (local.set $to (call $high (local.get $pair)))
      (call $return-units (call $low (local.get $pair)))
      (drop (call $settle (local.get $to)
        (call $write-units (local.get $to) (i32.const 1024) (local.get $count))))
      (call $drop-writable-units (local.get $to))
      (i32.const 0))
    (func (export "total") (param $from i32) (result i32) (local $got i32) (local $sum i32)
      (loop $more
        (local.set $got (call $settle (local.get $from)
          (call $read-numbers (local.get $from) (i32.const 2048) (i32.const 1))))
        (if (i32.shr_u (local.get $got) (i32.const 4))
          (then (local.set $sum (i32.add (local.get $sum) (i32.load (i32.const 2048))))))
        (br_if $more (i32.eqz (i32.and (local.get $got) (i32.const 15)))))
      (call $drop-readable-numbers (local.get $from))
      (local.get $sum))
    (func (export "same") (param i32) (result i32) (local.get 0))
    ;; The place of the result of a call of ask, and behind it the set by which it is waited for.
    (global $place (mut i32) (i32.const 8192))
    (func (export "ask") (param $what i32) (result i32) (local $status i32) (local $place i32)
      (global.set $place (i32.add (global.get $place) (i32.const 8)))
      (local.set $place (global.get $place))
      (local.set $status (call $start-ask (local.get $what) (local.get $place)))
      (if (i32.eq (i32.and (local.get $status) (i32.const 15)) (i32.const 2))
        (then (call $return-ask (i32.load (local.get $place))) (return (i32.const 0))))
      (i32.store offset=4 (local.get $place) (call $new-set))
      (call $join (i32.shr_u (local.get $status) (i32.const 4)) (i32.load offset=4 (local.get $place)))
      (call $set-context (local.get $place))
      (call $wait-for-set))
    (func $wait-for-set (result i32)
      (i32.or (i32.const 2) (i32.shl (i32.load offset=4 (call $get-context)) (i32.const 4))))
    (func (export "asked") (param $event i32) (param $subtask i32) (param $status i32) (result i32)
      (if (i32.ne (local.get $status) (i32.const 2)) (then (return (call $wait-for-set))))
      (call $return-ask (i32.load (call $get-context)))
      (call $drop-subtask (local.get $subtask))
      (call $drop-set (i32.load offset=4 (call $get-context)))
      (i32.const 0))
    (func (export "listen") (param i32) (result i32) (call $listen (local.get 0)))
    (func (export "spin") (loop (br 0)))
    (func (export "callback") (param i32 i32 i32) (result i32) unreachable)`);
  lift('count', 'async (param "count" u32) (result $numbers)', asTask);
  lift('flood', 'async (param "count" u32) (result $units)', asTask);
  lift('total', 'async (param "from" $numbers) (result u32)');
  lift('same', '(param "from" $numbers) (result $numbers)');
  lift(
    'ask',
    'async (param "what" u32) (result u32)',
    'async (callback (core func $main "asked"))',
  );
  lift('listen', 'async (param "from" $numbers) (result $numbers)');
  lift('spin', 'async');
  Object.assign(builtins, {
    'start-ask': ['lower (func $given-ask) async (memory $memory)', '(param i32 i32) (result i32)'],
    'return-ask': ['task.return (result u32)', '(param i32)'],
    'drop-subtask': ['subtask.drop', '(param i32)'],
    'set-context': ['context.set i32 0', '(param i32)'],
    'get-context': ['context.get i32 0', '(result i32)'],
    listen: ['lower (func $given-listen)', '(param i32) (result i32)'],
  });
  const text = textOf({
    builtins,
    code: code.join('\n'),
    exports: [...lifted, ...exported].join('\n'),
  });
  const imports = `(import "ask" (func $given-ask async (param "what" u32) (result u32)))
    (import "listen" (func $given-listen async (param "from" (stream u32)) (result (stream u32))))`;
  // Types come before the functions that are lowered, and after those that they are made of.
  const before = [...definitions, imports, ...defined].join('\n');
  return assembleComponent(text.replace('(component', `(component ${before}`));
}
