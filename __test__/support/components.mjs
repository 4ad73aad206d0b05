// Components of text, for the tests of load(): each function that one exports hands its parameter on to a
// function of the embedder, and returns what that returns. So each value goes both ways, twice.

import { assembleAny } from './wat.mjs';

/** The core types of each type, and of those that are made of others here. */
const PRIMITIVES = {
  ...{ bool: 'i32', s8: 'i32', u8: 'i32', s16: 'i32', u16: 'i32', s32: 'i32', u32: 'i32' },
  ...{ s64: 'i64', u64: 'i64', f32: 'f32', f64: 'f64', char: 'i32', string: 'i32 i32' },
};

/** The most core values that are parameters. */
const MOST_PARAMS = 16;

/** Memory that is taken from its beginning on, and given back when a call begins. */
const LIBC = `(core module $libc
  (memory (export "memory") 2)
  (global $at (mut i32) (i32.const 16))
  (func (export "reset") (global.set $at (i32.const 16)))
  (func (export "realloc") (param $old i32) (param $was i32) (param $align i32) (param $size i32) (result i32)
    (local $start i32) (local $end i32)
    (local.set $start (i32.and
      (i32.add (global.get $at) (i32.sub (local.get $align) (i32.const 1)))
      (i32.sub (i32.const 0) (local.get $align))))
    (local.set $end (i32.add (local.get $start) (local.get $size)))
    (global.set $at (local.get $end))
    (loop $grow
      (if (i32.gt_u (local.get $end) (i32.shl (memory.size) (i32.const 16)))
        (then
          (if (i32.eq (memory.grow (i32.const 64)) (i32.const -1)) (then unreachable))
          (br $grow))))
    (if (local.get $was) (then (memory.copy (local.get $start) (local.get $old) (local.get $was))))
    (local.get $start)))`;

/**
 * A component that exports an echo for each type, and imports one for each from the embedder.
 *
 * @param {Record<string, { type: string, core: string, define?: string }>} types by the names of functions:
 * `type` is the type in text, `core` its core types, `define` the definition of a type that needs a name
 * @param {string} [more] more of its text
 * @param {string[]} [definitions] of types that those are made of
 */
export function echoing(types, more = '', definitions = []) {
  const all = Object.entries(types).map(([name, one]) => ({
    name,
    core: one.core.split(' '),
    ...one,
  }));
  const defined = all
    .filter(({ define }) => define)
    .map(
      ({ name, define }) =>
        `(type $${name}-is ${define}) (import "${name}" (type $${name} (eq $${name}-is)))`,
    );
  // More than one core value is returned in memory.
  const params = (core) => (core === '' ? '' : `(param ${core})`);
  const functions = all.map(({ name, type, core }) => {
    const flat = core.split ? core : core.join(' ');
    // Of more parameters there is the address.
    const isMany = flat.split(' ').length > MOST_PARAMS;
    const params_ = isMany ? 'i32' : flat;
    const count = params_.split(' ').length;
    const isLarge = isMany || count > 1;
    const args = Array.from({ length: count }, (_, i) => `(local.get ${i})`).join(' ');
    return {
      imported: `(import "echo-${name}" (func $echo-${name} (param "v" ${type}) (result ${type})))`,
      lowered: `(core func $lowered-${name} (canon lower (func $echo-${name}) (memory $memory) (realloc $realloc)))`,
      given: `(export "${name}" (func $lowered-${name}))`,
      core: `(import "host" "${name}" (func $${name} ${params(params_)} ${isLarge ? '(param i32)' : `(result ${flat})`}))`,
      body: isLarge
        ? `(func (export "${name}") ${params(params_)} (result i32) (local $to i32)
             (local.set $to (call $realloc (i32.const 0) (i32.const 0) (i32.const 8) (i32.const 1024)))
             (call $${name} ${args} (local.get $to)) (local.get $to))`
        : `(func (export "${name}") ${params(flat)} (result ${flat}) (call $${name} ${args}))`,
      lifted: `(func $run-${name} (param "v" ${type}) (result ${type})
        (canon lift (core func $main "${name}") (memory $memory) (realloc $realloc) (post-return (func $reset))))
        (export "run-${name}" (func $run-${name}))`,
    };
  });
  const each = (part) => functions.map((one) => one[part]).join('\n');
  return `(component
    ${definitions.join('\n')}
    ${defined.join('\n')}
    ${each('imported')}
    ${LIBC}
    (core instance $libc (instantiate $libc))
    (alias core export $libc "memory" (core memory $memory))
    (alias core export $libc "realloc" (core func $realloc))
    ${each('lowered')}
    (core module $main
      (import "libc" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
      ${each('core')}
      ${each('body')})
    (core instance $main (instantiate $main
      (with "libc" (instance $libc))
      (with "host" (instance ${each('given')}))))
    ${each('lifted').replaceAll(' (post-return (func $reset))', '')}
    ${more})`;
}

/** The types of primitive values, as `echoing()` takes them. */
export const primitives = () =>
  Object.fromEntries(
    Object.entries(PRIMITIVES).map(([name, core]) => [name, { type: name, core }]),
  );

/** The bytes of a component, of its text. @param {string} text */
export const assembleComponent = (text) => assembleAny(text);

/** A component with nothing in it. */
export const EMPTY_COMPONENT = Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0);

/** A component with a resource of its own, `thing`, and one of the embedder's, `gauge`. */
export const RESOURCES = `(component
  (import "gauge" (type $gauge (sub resource)))
  (import "[constructor]gauge" (func $new-gauge (param "start" u32) (result (own $gauge))))
  (import "[method]gauge.read" (func $read-gauge (param "self" (borrow $gauge)) (result u32)))
  (import "[static]gauge.count" (func $count-gauges (result u32)))
  (import "see" (func $see (param "gauge" (borrow $gauge)) (result u32)))
  (import "offer" (func (param "gauge" (result (own $gauge)))))
  (import "offer-or" (func (param "gauge" (result (own $gauge) (error u32)))))
  (core module $ends
    (global $ended (mut i32) (i32.const 0))
    (func (export "end") (param i32) (global.set $ended (i32.add (global.get $ended) (local.get 0))))
    (func (export "ended") (result i32) (global.get $ended)))
  (core instance $ends (instantiate $ends))
  (type $thing-is (resource (rep i32) (dtor (core func $ends "end"))))
  (export $thing "thing" (type $thing-is))
  (core func $new (canon resource.new $thing))
  (core func $rep (canon resource.rep $thing))
  (core func $drop (canon resource.drop $thing))
  (core func $new-gauge (canon lower (func $new-gauge)))
  (core func $read-gauge (canon lower (func $read-gauge)))
  (core func $count-gauges (canon lower (func $count-gauges)))
  (core func $see (canon lower (func $see)))
  (core func $drop-gauge (canon resource.drop $gauge))
  (core module $main
    (import "thing" "new" (func $new (param i32) (result i32)))
    (import "thing" "rep" (func $rep (param i32) (result i32)))
    (import "thing" "drop" (func $drop (param i32)))
    (import "gauge" "new" (func $new-gauge (param i32) (result i32)))
    (import "gauge" "read" (func $read-gauge (param i32) (result i32)))
    (import "gauge" "count" (func $count-gauges (result i32)))
    (import "gauge" "see" (func $see (param i32) (result i32)))
    (import "gauge" "drop" (func $drop-gauge (param i32)))
    (func (export "new") (param i32) (result i32) (call $new (local.get 0)))
    (func (export "value") (param i32) (result i32) (local.get 0))
    (func (export "merge") (param $one i32) (param $other i32) (result i32) (local $sum i32)
      (local.set $sum (i32.add (call $rep (local.get $one)) (local.get $other)))
      (call $drop (local.get $one))
      (call $new (local.get $sum)))
    (func (export "measure") (param i32) (result i32) (local $gauge i32) (local $read i32)
      (local.set $gauge (call $new-gauge (local.get 0)))
      (local.set $read (i32.add (call $read-gauge (local.get $gauge)) (call $see (local.get $gauge))))
      (call $drop-gauge (local.get $gauge))
      (i32.add (local.get $read) (call $count-gauges)))
    (func (export "same") (param i32) (result i32) (local.get 0))
    (func (export "look") (param i32) (result i32) (local $read i32)
      (local.set $read (call $read-gauge (local.get 0)))
      (call $drop-gauge (local.get 0))
      (local.get $read)))
  (core instance $main (instantiate $main
    (with "thing" (instance (export "new" (func $new)) (export "rep" (func $rep)) (export "drop" (func $drop))))
    (with "gauge" (instance
      (export "new" (func $new-gauge)) (export "read" (func $read-gauge)) (export "count" (func $count-gauges))
      (export "see" (func $see)) (export "drop" (func $drop-gauge))))))
  (func $new-thing (param "value" u32) (result (own $thing)) (canon lift (core func $main "new")))
  (export "[constructor]thing" (func $new-thing))
  (func $value (param "self" (borrow $thing)) (result u32) (canon lift (core func $main "value")))
  (export "[method]thing.value-of-it" (func $value))
  (func $merge (param "one" (own $thing)) (param "other" (borrow $thing)) (result (own $thing))
    (canon lift (core func $main "merge")))
  (export "[static]thing.merge" (func $merge))
  (func $ended (result u32) (canon lift (core func $ends "ended")))
  (export "ended" (func $ended))
  (func $measure (param "start" u32) (result u32) (canon lift (core func $main "measure")))
  (export "measure" (func $measure))
  (func $same (param "gauge" (own $gauge)) (result (own $gauge)) (canon lift (core func $main "same")))
  (export "same" (func $same))
  (func $look (param "gauge" (borrow $gauge)) (result u32) (canon lift (core func $main "look")))
  (export "look" (func $look)))`;

/** A component with a resource, and a function that takes records of it in a list. */
export const HOLDING = `(component
  (core module $main
    (memory (export "memory") 1)
    (func (export "new") (param i32) (result i32) (local.get 0))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 16))
    (func (export "heaviest") (param $at i32) (param $length i32) (result i32) (local $most i32)
      (block $end
        (loop $next
          (br_if $end (i32.eqz (local.get $length)))
          (if (i32.gt_u (i32.load (local.get $at)) (local.get $most))
            (then (local.set $most (i32.load (local.get $at)))))
          (local.set $at (i32.add (local.get $at) (i32.const 4)))
          (local.set $length (i32.sub (local.get $length) (i32.const 1)))
          (br $next)))
      (local.get $most)))
  (core instance $main (instantiate $main))
  (type $thing-is (resource (rep i32)))
  (export $thing "thing" (type $thing-is))
  (core func $new (canon resource.new $thing))
  (func $new-thing (param "value" u32) (result (own $thing)) (canon lift (core func $new)))
  (export "[constructor]thing" (func $new-thing))
  (type $held-is (record (field "thing" (borrow $thing))))
  (export $held "held" (type $held-is))
  (func $heaviest (param "all" (list $held)) (result u32)
    (canon lift (core func $main "heaviest") (memory (core memory $main "memory")) (realloc (core func $main "realloc"))))
  (export "heaviest" (func $heaviest)))`;
