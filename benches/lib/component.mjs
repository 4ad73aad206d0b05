// A component of text, with the functions of WASI 0.2 that deal with files: their types, and a core module
// that calls them.

import { createRequire } from 'node:module';

const { engineAddon } = createRequire(import.meta.url)('../../lib/addon.js');

const VERSION = '0.2.0';

const ERRORS = `access would-block already bad-descriptor busy deadlock quota exist file-too-large
  illegal-byte-sequence in-progress interrupted invalid io is-directory loop too-many-links message-size
  name-too-long no-device no-entry no-lock insufficient-memory insufficient-space not-directory not-empty
  not-recoverable unsupported no-tty no-such-device overflow not-permitted pipe read-only invalid-seek
  text-file-busy cross-device`.split(/\s+/);
const FILE_TYPES = `unknown block-device character-device directory fifo symbolic-link regular-file
  socket`.split(/\s+/);
const ACCESS = `read write file-integrity-sync data-integrity-sync requested-write-sync
  mutate-directory`.split(/\s+/);

const quoted = (names) => names.map((name) => `"${name}"`).join(' ');
const path = (name = 'path') => `(param "${name}" string)`;
const failing = (result) => `(result ${result} (error $error-code))`;
const NOTHING = '(result (error $error-code))';
const METHOD = '(param "self" (borrow $self))';

/** The methods: the parameters behind `self`, the result, and the core parameters. */
const METHODS = {
  descriptor: {
    'read-via-stream': ['(param "offset" u64)', failing('(own $input)'), 'i32 i64 i32'],
    'write-via-stream': ['(param "offset" u64)', failing('(own $output)'), 'i32 i64 i32'],
    read: [
      ...['(param "length" u64) (param "offset" u64)', failing('(tuple (list u8) bool)')],
      'i32 i64 i64 i32',
    ],
    write: [
      '(param "buffer" (list u8)) (param "offset" u64)',
      failing('u64'),
      'i32 i32 i32 i64 i32',
    ],
    'read-directory': ['', failing('(own $listing)'), 'i32 i32'],
    'create-directory-at': [path(), NOTHING, 'i32 i32 i32 i32'],
    stat: ['', failing('$stat'), 'i32 i32'],
    'stat-at': [
      `(param "path-flags" $path-flags) ${path()}`,
      failing('$stat'),
      'i32 i32 i32 i32 i32',
    ],
    'open-at': [
      `(param "path-flags" $path-flags) ${path()} (param "open-flags" $open-flags) (param "flags" $access)`,
      ...[failing('(own $self)'), 'i32 i32 i32 i32 i32 i32 i32'],
    ],
    'readlink-at': [path(), failing('string'), 'i32 i32 i32 i32'],
    'remove-directory-at': [path(), NOTHING, 'i32 i32 i32 i32'],
    'rename-at': [
      `${path('old-path')} (param "new-descriptor" (borrow $self)) ${path('new-path')}`,
      ...[NOTHING, 'i32 i32 i32 i32 i32 i32 i32'],
    ],
    'symlink-at': [`${path('old-path')} ${path('new-path')}`, NOTHING, 'i32 i32 i32 i32 i32 i32'],
    'unlink-file-at': [path(), NOTHING, 'i32 i32 i32 i32'],
    'metadata-hash': ['', failing('$hash'), 'i32 i32'],
  },
  'input-stream': {
    'blocking-read': ['(param "len" u64)', failing('(list u8)'), 'i32 i64 i32'],
  },
  'output-stream': {
    'check-write': ['', failing('u64'), 'i32 i32'],
    write: ['(param "contents" (list u8))', NOTHING, 'i32 i32 i32 i32'],
    'blocking-flush': ['', NOTHING, 'i32 i32'],
    'blocking-write-and-flush': ['(param "contents" (list u8))', NOTHING, 'i32 i32 i32 i32'],
  },
  'directory-entry-stream': {
    'read-directory-entry': ['', failing('(option $entry)'), 'i32 i32'],
  },
};

const methodsOf = (resource, self) =>
  Object.entries(METHODS[resource]).map(([name, [params, result]]) =>
    `(export "[method]${resource}.${name}" (func ${METHOD} ${params} (result ${result})))`
      .replaceAll('$self', self)
      .replaceAll('$error-code', resource.endsWith('put-stream') ? '$stream-error' : '$error-code'),
  );

const IMPORTS = `
  (import "wasi:io/error@${VERSION}" (instance $errors (export "error" (type (sub resource)))))
  (alias export $errors "error" (type $io-error))
  (import "wasi:io/streams@${VERSION}" (instance $streams
    (alias outer 1 $io-error (type $io-error))
    (type $stream-error-is (variant (case "last-operation-failed" (own $io-error)) (case "closed")))
    (export "stream-error" (type $stream-error (eq $stream-error-is)))
    (export "input-stream" (type $input (sub resource)))
    (export "output-stream" (type $output (sub resource)))
    ${methodsOf('input-stream', '$input').join('\n')}
    ${methodsOf('output-stream', '$output').join('\n')}))
  (alias export $streams "input-stream" (type $input))
  (alias export $streams "output-stream" (type $output))
  (import "wasi:clocks/monotonic-clock@${VERSION}" (instance $monotonic-clock
    (export "now" (func (result u64)))))
  (import "wasi:clocks/wall-clock@${VERSION}" (instance $wall-clock
    (type $datetime-is (record (field "seconds" u64) (field "nanoseconds" u32)))
    (export "datetime" (type $datetime (eq $datetime-is)))
    (export "now" (func (result $datetime)))))
  (alias export $wall-clock "datetime" (type $datetime))
  (import "wasi:random/random@${VERSION}" (instance $random
    (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
  (import "wasi:filesystem/types@${VERSION}" (instance $files
    (alias outer 1 $input (type $input))
    (alias outer 1 $output (type $output))
    (alias outer 1 $datetime (type $datetime))
    (type $error-is (enum ${quoted(ERRORS)}))
    (export "error-code" (type $error-code (eq $error-is)))
    (type $file-type-is (enum ${quoted(FILE_TYPES)}))
    (export "descriptor-type" (type $file-type (eq $file-type-is)))
    (type $access-is (flags ${quoted(ACCESS)}))
    (export "descriptor-flags" (type $access (eq $access-is)))
    (type $path-flags-is (flags "symlink-follow"))
    (export "path-flags" (type $path-flags (eq $path-flags-is)))
    (type $open-flags-is (flags "create" "directory" "exclusive" "truncate"))
    (export "open-flags" (type $open-flags (eq $open-flags-is)))
    (type $stat-is (record (field "type" $file-type) (field "link-count" u64) (field "size" u64)
      (field "data-access-timestamp" (option $datetime))
      (field "data-modification-timestamp" (option $datetime))
      (field "status-change-timestamp" (option $datetime))))
    (export "descriptor-stat" (type $stat (eq $stat-is)))
    (type $entry-is (record (field "type" $file-type) (field "name" string)))
    (export "directory-entry" (type $entry (eq $entry-is)))
    (type $hash-is (record (field "lower" u64) (field "upper" u64)))
    (export "metadata-hash-value" (type $hash (eq $hash-is)))
    (export "descriptor" (type $descriptor (sub resource)))
    (export "directory-entry-stream" (type $listing (sub resource)))
    ${methodsOf('descriptor', '$descriptor').join('\n')}
    ${methodsOf('directory-entry-stream', '$listing').join('\n')}))
  (alias export $files "descriptor" (type $descriptor))
  (alias export $files "directory-entry-stream" (type $listing))
  (import "wasi:filesystem/preopens@${VERSION}" (instance $preopens
    (alias outer 1 $descriptor (type $descriptor))
    (export "get-directories" (func (result (list (tuple (own $descriptor) string)))))))`;

/** The instance that each resource is of. */
const HOMES = {
  descriptor: 'files',
  'directory-entry-stream': 'files',
  'input-stream': 'streams',
  'output-stream': 'streams',
};

/** The functions by their names in the core module: where they are, and their core types. */
const FUNCTIONS = {
  'monotonic-clock.now': ['monotonic-clock', 'now', '(result i64)'],
  'wall-clock.now': ['wall-clock', 'now', '(param i32)'],
  'random.get-random-bytes': ['random', 'get-random-bytes', '(param i64 i32)'],
  'preopens.get-directories': ['preopens', 'get-directories', '(param i32)'],
  ...Object.fromEntries(
    Object.entries(METHODS).flatMap(([resource, methods]) =>
      Object.entries(methods).map(([name, [, , core]]) => [
        `${resource}.${name}`,
        [HOMES[resource], `[method]${resource}.${name}`, `(param ${core})`],
      ]),
    ),
  ),
};

const DROPS = Object.keys(HOMES).map((resource) => [
  `${resource}.drop`,
  { 'input-stream': 'input', 'output-stream': 'output', 'directory-entry-stream': 'listing' }[
    resource
  ] ?? resource,
]);

/** The memory, from which results are allotted: from `$free` on, which the guest sets back itself. */
const MEMORY = (pages, free) => `(core module $memory
  (memory (export "memory") ${pages})
  (global $free (export "free") (mut i32) (i32.const ${free}))
  (func (export "realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
    (global.set $free (i32.add (local.get $at) (local.get 3)))
    (local.get $at)))`;

/**
 * The bytes of a component.
 *
 * @param {object} parts
 * @param {string} parts.body of its core module: functions, which find those of WASI as `$descriptor.stat`,
 * the memory, and the global `$free`
 * @param {Record<string, string>} parts.exports the types of the functions that it exports
 * @param {number} parts.pages of its memory
 * @param {number} parts.free the first byte that is for results
 * @returns {Uint8Array}
 */
export function component({ body, exports, pages, free }) {
  const all = Object.entries(FUNCTIONS);
  const text = `(component ${IMPORTS} ${MEMORY(pages, free)}
    (core instance $memory (instantiate $memory))
    (alias core export $memory "memory" (core memory $bytes))
    (alias core export $memory "realloc" (core func $realloc))
    ${all
      .map(
        ([name, [home, exported]]) =>
          `(alias export $${home} "${exported}" (func $${name}))
           (core func $lowered-${name} (canon lower (func $${name}) (memory $bytes) (realloc $realloc)))`,
      )
      .join('\n')}
    ${DROPS.map(([name, type]) => `(core func $${name} (canon resource.drop $${type}))`).join('\n')}
    (core module $main
      (import "memory" "memory" (memory ${pages}))
      (import "memory" "free" (global $free (mut i32)))
      ${all.map(([name, [, , type]]) => `(import "wasi" "${name}" (func $${name} ${type}))`).join('\n')}
      ${DROPS.map(([name]) => `(import "wasi" "${name}" (func $${name} (param i32)))`).join('\n')}
      ${body})
    (core instance $main (instantiate $main
      (with "memory" (instance $memory))
      (with "wasi" (instance
        ${all.map(([name]) => `(export "${name}" (func $lowered-${name}))`).join('\n')}
        ${DROPS.map(([name]) => `(export "${name}" (func $${name}))`).join('\n')}))))
    ${Object.entries(exports)
      .map(
        ([name, type]) =>
          `(func (export "${name}") ${type} (canon lift (core func $main "${name}")))`,
      )
      .join('\n')})`;
  return engineAddon().watToWasm(text);
}
