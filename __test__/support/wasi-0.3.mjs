// Components of text for WASI 0.3, with the asynchronous ABI by hand. Their functions are lifted and lowered
// without `async`, unless a test says so: a call then blocks the guest. Streams and futures are waited for in
// `$settle`.

import { assembleComponent } from './components.mjs';

const VERSION = '0.3.0';

/** The types that the interfaces need, by the names of their own. */
const CLI_ERROR = `(type $error-is (enum "io" "illegal-byte-sequence" "pipe"))
  (export "error-code" (type $error (eq $error-is)))`;

const FILE_ERRORS =
  `access already bad-descriptor busy deadlock quota exist file-too-large illegal-byte-sequence
  in-progress interrupted invalid io is-directory loop too-many-links message-size name-too-long no-device no-entry
  no-lock insufficient-memory insufficient-space not-directory not-empty not-recoverable unsupported no-tty
  no-such-device overflow not-permitted pipe read-only invalid-seek text-file-busy cross-device`.split(
    /\s+/,
  );

const SOCKET_ERRORS =
  `access-denied not-supported invalid-argument out-of-memory timeout invalid-state
  address-not-bindable address-in-use remote-unreachable connection-refused connection-broken connection-reset
  connection-aborted datagram-too-large`.split(/\s+/);

const LOOKUP_ERRORS = `access-denied invalid-argument name-unresolvable temporary-resolver-failure
  permanent-resolver-failure`.split(/\s+/);

/** The number of an error code, as the guests tell it. @param {string} code */
export const fileError = (code) => FILE_ERRORS.indexOf(code);
/** The same, of sockets. @param {string} code */
export const socketError = (code) => SOCKET_ERRORS.indexOf(code);
/** The same, of looking up names. @param {string} code */
export const lookupError = (code) => LOOKUP_ERRORS.indexOf(code);

const cases = (names, more = '') =>
  `(variant ${names.map((name) => `(case "${name}")`).join(' ')} ${more})`;
const OTHER = '(case "other" (option string))';

const HTTP_ERROR = `
  (type $dns-is (record (field "rcode" (option string)) (field "info-code" (option u16))))
  (export "DNS-error-payload" (type $dns (eq $dns-is)))
  (type $tls-is (record (field "alert-id" (option u8)) (field "alert-message" (option string))))
  (export "TLS-alert-received-payload" (type $tls (eq $tls-is)))
  (type $size-is (record (field "field-name" (option string)) (field "field-size" (option u32))))
  (export "field-size-payload" (type $size (eq $size-is)))
  (type $error-is (variant
    (case "DNS-timeout") (case "DNS-error" $dns) (case "destination-not-found")
    (case "destination-unavailable") (case "destination-IP-prohibited") (case "destination-IP-unroutable")
    (case "connection-refused") (case "connection-terminated") (case "connection-timeout")
    (case "connection-read-timeout") (case "connection-write-timeout") (case "connection-limit-reached")
    (case "TLS-protocol-error") (case "TLS-certificate-error") (case "TLS-alert-received" $tls)
    (case "HTTP-request-denied") (case "HTTP-request-length-required")
    (case "HTTP-request-body-size" (option u64)) (case "HTTP-request-method-invalid")
    (case "HTTP-request-URI-invalid") (case "HTTP-request-URI-too-long")
    (case "HTTP-request-header-section-size" (option u32)) (case "HTTP-request-header-size" (option $size))
    (case "HTTP-request-trailer-section-size" (option u32)) (case "HTTP-request-trailer-size" $size)
    (case "HTTP-response-incomplete") (case "HTTP-response-header-section-size" (option u32))
    (case "HTTP-response-header-size" $size) (case "HTTP-response-body-size" (option u64))
    (case "HTTP-response-trailer-section-size" (option u32)) (case "HTTP-response-trailer-size" $size)
    (case "HTTP-response-transfer-coding" (option string))
    (case "HTTP-response-content-coding" (option string)) (case "HTTP-response-timeout")
    (case "HTTP-upgrade-failed") (case "HTTP-protocol-error") (case "loop-detected")
    (case "configuration-error") (case "internal-error" (option string))))
  (export "error-code" (type $error (eq $error-is)))`;

/**
 * The interfaces: `body` is what they export, `types` what of it has a name in the component. `functions` are
 * those that guests have of them, as `$name`: the function of the interface, its core type, and `async` if
 * they do not wait in it; `more` are other functions for them, with types that are `defined`.
 */
const INTERFACES = {
  'wasi:cli/environment': {
    body: `(export "get-environment" (func (result (list (tuple string string)))))
      (export "get-arguments" (func (result (list string))))`,
    functions: {
      environment: ['get-environment', '(param i32)'],
      arguments: ['get-arguments', '(param i32)'],
    },
  },
  'wasi:cli/exit': {
    body: `(export "exit" (func (param "status" (result))))
      (export "exit-with-code" (func (param "status-code" u8)))`,
    functions: { exit: ['exit-with-code', '(param i32)'] },
  },
  'wasi:cli/stdin': {
    body: `${CLI_ERROR} (export "read-via-stream" (func (result (tuple (stream u8) (future (result (error $error)))))))`,
    functions: { stdin: ['read-via-stream', '(param i32)'] },
  },
  'wasi:cli/stdout': {
    body: `${CLI_ERROR}
      (export "write-via-stream" (func (param "data" (stream u8)) (result (future (result (error $error))))))`,
    types: { 'cli-error': 'error-code' },
    functions: { stdout: ['write-via-stream', '(param i32) (result i32)'] },
  },
  'wasi:clocks/monotonic-clock': {
    body: '(export "wait-for" (func async (param "how-long" u64)))',
    functions: {
      'wait-for': ['wait-for', '(param i64)'],
      'start-wait': ['wait-for', '(param i64) (result i32)', 'async'],
    },
  },
  'wasi:random/random': {
    body: '(export "get-random-bytes" (func (param "max-len" u64) (result (list u8))))',
    functions: { random: ['get-random-bytes', '(param i64 i32)'] },
  },
  'wasi:filesystem/types': {
    body: `(export "descriptor" (type $descriptor (sub resource)))
      (type $error-is ${cases(FILE_ERRORS, OTHER)})
      (export "error-code" (type $error (eq $error-is)))
      (type $kind-is ${cases(
        'block-device character-device directory fifo symbolic-link regular-file socket'.split(' '),
        OTHER,
      )})
      (export "descriptor-type" (type $kind (eq $kind-is)))
      (type $entry-is (record (field "type" $kind) (field "name" string)))
      (export "directory-entry" (type $entry (eq $entry-is)))
      (type $path-flags-is (flags "symlink-follow"))
      (export "path-flags" (type $path-flags (eq $path-flags-is)))
      (type $open-flags-is (flags "create" "directory" "exclusive" "truncate"))
      (export "open-flags" (type $open-flags (eq $open-flags-is)))
      (type $flags-is (flags "read" "write" "file-integrity-sync" "data-integrity-sync" "requested-write-sync"
        "mutate-directory"))
      (export "descriptor-flags" (type $flags (eq $flags-is)))
      (export "[method]descriptor.open-at" (func async (param "self" (borrow $descriptor))
        (param "path-flags" $path-flags) (param "path" string) (param "open-flags" $open-flags)
        (param "flags" $flags) (result (result (own $descriptor) (error $error)))))
      (export "[method]descriptor.create-directory-at" (func async (param "self" (borrow $descriptor))
        (param "path" string) (result (result (error $error)))))
      (export "[method]descriptor.read-via-stream" (func (param "self" (borrow $descriptor)) (param "offset" u64)
        (result (tuple (stream u8) (future (result (error $error)))))))
      (export "[method]descriptor.write-via-stream" (func (param "self" (borrow $descriptor))
        (param "data" (stream u8)) (param "offset" u64) (result (future (result (error $error))))))
      (export "[method]descriptor.read-directory" (func (param "self" (borrow $descriptor))
        (result (tuple (stream $entry) (future (result (error $error)))))))`,
    types: { descriptor: 'descriptor', 'file-error': 'error-code', entry: 'directory-entry' },
    functions: {
      'open-at': ['[method]descriptor.open-at', '(param i32 i32 i32 i32 i32 i32 i32)'],
      'create-directory-at': ['[method]descriptor.create-directory-at', '(param i32 i32 i32 i32)'],
      'read-file': ['[method]descriptor.read-via-stream', '(param i32 i64 i32)'],
      'write-file': ['[method]descriptor.write-via-stream', '(param i32 i32 i64) (result i32)'],
      'read-directory': ['[method]descriptor.read-directory', '(param i32 i32)'],
    },
    more: {
      'drop-descriptor': ['resource.drop $descriptor', '(param i32)'],
      'start-entry': [
        'stream.read $entries async (memory $memory) (realloc $realloc)',
        '(param i32 i32 i32) (result i32)',
      ],
      'start-file-end': [
        'future.read $file-end async (memory $memory) (realloc $realloc)',
        '(param i32 i32) (result i32)',
      ],
    },
    defined: `(type $entries (stream $entry)) (type $file-end (future (result (error $file-error))))`,
  },
  'wasi:filesystem/preopens': {
    body: `(export "descriptor" (type $descriptor' (eq $descriptor)))
      (export "get-directories" (func (result (list (tuple (own $descriptor') string)))))`,
    functions: { preopens: ['get-directories', '(param i32)'] },
  },
  'wasi:sockets/types': {
    body: `(export "tcp-socket" (type $tcp (sub resource)))
      (type $error-is ${cases(SOCKET_ERRORS, OTHER)})
      (export "error-code" (type $error (eq $error-is)))
      (type $family-is (enum "ipv4" "ipv6"))
      (export "ip-address-family" (type $family (eq $family-is)))
      (type $v4-is (record (field "port" u16) (field "address" (tuple u8 u8 u8 u8))))
      (export "ipv4-socket-address" (type $v4 (eq $v4-is)))
      (type $v6-is (record (field "port" u16) (field "flow-info" u32)
        (field "address" (tuple u16 u16 u16 u16 u16 u16 u16 u16)) (field "scope-id" u32)))
      (export "ipv6-socket-address" (type $v6 (eq $v6-is)))
      (type $address-is (variant (case "ipv4" $v4) (case "ipv6" $v6)))
      (export "ip-socket-address" (type $address (eq $address-is)))
      (export "[static]tcp-socket.create" (func (param "address-family" $family)
        (result (result (own $tcp) (error $error)))))
      (export "[method]tcp-socket.connect" (func async (param "self" (borrow $tcp))
        (param "remote-address" $address) (result (result (error $error)))))
      (export "[method]tcp-socket.send" (func (param "self" (borrow $tcp)) (param "data" (stream u8))
        (result (future (result (error $error))))))
      (export "[method]tcp-socket.receive" (func (param "self" (borrow $tcp))
        (result (tuple (stream u8) (future (result (error $error)))))))`,
    types: { 'tcp-error': 'error-code' },
    functions: {
      'tcp-create': ['[static]tcp-socket.create', '(param i32 i32)'],
      // The socket; the address: which it is, and 11 values of the larger; where the result is to be.
      'tcp-connect': ['[method]tcp-socket.connect', `(param ${'i32 '.repeat(14)})`],
      send: ['[method]tcp-socket.send', '(param i32 i32) (result i32)'],
      receive: ['[method]tcp-socket.receive', '(param i32 i32)'],
    },
    more: {
      'start-tcp-end': [
        'future.read $tcp-end async (memory $memory) (realloc $realloc)',
        '(param i32 i32) (result i32)',
      ],
    },
    defined: '(type $tcp-end (future (result (error $tcp-error))))',
  },
  'wasi:sockets/ip-name-lookup': {
    body: `(type $v4-is (tuple u8 u8 u8 u8)) (export "ipv4-address" (type $v4 (eq $v4-is)))
      (type $v6-is (tuple u16 u16 u16 u16 u16 u16 u16 u16)) (export "ipv6-address" (type $v6 (eq $v6-is)))
      (type $address-is (variant (case "ipv4" $v4) (case "ipv6" $v6)))
      (export "ip-address" (type $address (eq $address-is)))
      (type $error-is ${cases(LOOKUP_ERRORS, OTHER)})
      (export "error-code" (type $error (eq $error-is)))
      (export "resolve-addresses" (func async (param "name" string)
        (result (result (list $address) (error $error)))))`,
    functions: { resolve: ['resolve-addresses', '(param i32 i32 i32)'] },
  },
  'wasi:http/types': {
    body: `(export "fields" (type $fields (sub resource)))
      (export "request" (type $request (sub resource)))
      (export "response" (type $response (sub resource)))
      ${HTTP_ERROR}
      (type $header-error-is ${cases(['invalid-syntax', 'forbidden', 'immutable', 'size-exceeded'], OTHER)})
      (export "header-error" (type $header-error (eq $header-error-is)))
      (export "[constructor]fields" (func (result (own $fields))))
      (export "[method]fields.append" (func (param "self" (borrow $fields)) (param "name" string)
        (param "value" (list u8)) (result (result (error $header-error)))))
      (export "[method]request.get-path-with-query" (func (param "self" (borrow $request))
        (result (option string))))
      (export "[static]response.new" (func (param "headers" (own $fields)) (param "contents" (option (stream u8)))
        (param "trailers" (future (result (option (own $fields)) (error $error))))
        (result (tuple (own $response) (future (result (error $error)))))))
      (export "[method]response.set-status-code" (func (param "self" (borrow $response))
        (param "status-code" u16) (result (result))))
      (export "[static]request.consume-body" (func (param "this" (own $request))
        (param "res" (future (result (error $error))))
        (result (tuple (stream u8) (future (result (option (own $fields)) (error $error)))))))`,
    types: {
      fields: 'fields',
      request: 'request',
      response: 'response',
      'http-error': 'error-code',
    },
    functions: {
      'new-fields': ['[constructor]fields', '(result i32)'],
      'append-field': ['[method]fields.append', '(param i32 i32 i32 i32 i32 i32)'],
      path: ['[method]request.get-path-with-query', '(param i32 i32)'],
      'new-response': ['[static]response.new', '(param i32 i32 i32 i32 i32)'],
      'set-status': ['[method]response.set-status-code', '(param i32 i32) (result i32)'],
      'consume-body': ['[static]request.consume-body', '(param i32 i32 i32)'],
    },
    more: {
      'new-trailers': ['future.new $trailers', '(result i64)'],
      'start-trailers': [
        'future.write $trailers async (memory $memory)',
        '(param i32 i32) (result i32)',
      ],
      'new-sent': ['future.new $sent', '(result i64)'],
      'start-sent': ['future.write $sent async (memory $memory)', '(param i32 i32) (result i32)'],
      // 0 for success; the response, or the error; the rest is of errors.
      answer: [
        'task.return (result (result (own $response) (error $http-error))) (memory $memory)',
        `(param i32 i32 i32 i64 ${'i32 '.repeat(4)})`,
      ],
    },
    defined: `(type $trailers (future (result (option (own $fields)) (error $http-error))))
      (type $sent (future (result (error $http-error))))`,
  },
};

INTERFACES['wasi:http/client'] = {
  body: `(export "request" (type $request' (eq $request)))
    (export "response" (type $response' (eq $response)))
    (export "error-code" (type $error (eq $http-error)))
    (export "send" (func async (param "request" (own $request'))
      (result (result (own $response') (error $error)))))`,
  functions: { 'send-request': ['send', '(param i32 i32)'] },
};

/** Functions of the guests that are of no interface. */
const BUILTINS = {
  'new-stream': ['stream.new $bytes', '(result i64)'],
  'start-read': ['stream.read $bytes async (memory $memory)', '(param i32 i32 i32) (result i32)'],
  'start-write': ['stream.write $bytes async (memory $memory)', '(param i32 i32 i32) (result i32)'],
  'cancel-read': ['stream.cancel-read $bytes', '(param i32) (result i32)'],
  'cancel-task': ['subtask.cancel', '(param i32) (result i32)'],
  'drop-readable': ['stream.drop-readable $bytes', '(param i32)'],
  'drop-writable': ['stream.drop-writable $bytes', '(param i32)'],
  'drop-set': ['waitable-set.drop', '(param i32)'],
  'new-set': ['waitable-set.new', '(result i32)'],
  'wait-set': ['waitable-set.wait (memory $memory)', '(param i32 i32) (result i32)'],
  join: ['waitable.join', '(param i32 i32)'],
};

/** Memory that is taken from its second page on, and never given back. */
const LIBC = `(core module $libc
  (memory (export "memory") 4)
  (global $at (mut i32) (i32.const 65536))
  (func (export "realloc") (param i32 i32) (param $align i32) (param $size i32) (result i32) (local $start i32)
    (local.set $start (i32.and
      (i32.add (global.get $at) (i32.sub (local.get $align) (i32.const 1)))
      (i32.sub (i32.const 0) (local.get $align))))
    (global.set $at (i32.add (local.get $start) (local.get $size)))
    (local.get $start)))`;

/** Functions of guests, for each interface that they need. */
const HELPERS = {
  '': `
    (func $low (param i64) (result i32) (i32.wrap_i64 (local.get 0)))
    (func $high (param i64) (result i32) (i32.wrap_i64 (i64.shr_u (local.get 0) (i64.const 32))))
    ;; Waits until an operation that has begun is over, and gives what it gives.
    (func $settle (param $of i32) (param $code i32) (result i32) (local $set i32)
      (if (result i32) (i32.eq (local.get $code) (i32.const -1))
        (then
          (local.set $set (call $new-set))
          (call $join (local.get $of) (local.get $set))
          (drop (call $wait-set (local.get $set) (i32.const 8)))
          (call $join (local.get $of) (i32.const 0))
          (call $drop-set (local.get $set))
          (i32.load (i32.const 12)))
        (else (local.get $code))))
    (func $read-stream (param i32 i32 i32) (result i32)
      (call $settle (local.get 0) (call $start-read (local.get 0) (local.get 1) (local.get 2))))
    (func $write-stream (param i32 i32 i32) (result i32)
      (call $settle (local.get 0) (call $start-write (local.get 0) (local.get 1) (local.get 2))))
    ;; Writes bytes to a stream: 1 if nobody reads it any more.
    (func $write-all (param $to i32) (param $from i32) (param $length i32) (result i32) (local $done i32)
      (block $end
        (loop $more
          (br_if $end (i32.eqz (local.get $length)))
          (local.set $done (call $write-stream (local.get $to) (local.get $from) (local.get $length)))
          (br_if $end (i32.and (local.get $done) (i32.const 15)))
          (local.set $done (i32.shr_u (local.get $done) (i32.const 4)))
          (local.set $from (i32.add (local.get $from) (local.get $done)))
          (local.set $length (i32.sub (local.get $length) (local.get $done)))
          (br $more)))
      (i32.ne (local.get $length) (i32.const 0)))
    ;; Copies a stream to another, until one of them ends.
    (func $pipe (param $from i32) (param $to i32) (local $got i32)
      (block $end
        (loop $more
          (local.set $got (call $read-stream (local.get $from) (i32.const 32768) (i32.const 32768)))
          (br_if $end (call $write-all
            (local.get $to) (i32.const 32768) (i32.shr_u (local.get $got) (i32.const 4))))
          (br_if $more (i32.eqz (i32.and (local.get $got) (i32.const 15)))))))`,
  'wasi:cli/stdout': `
    (global $out (mut i32) (i32.const 0))
    (global $out-end (mut i32) (i32.const 0))
    ;; The writable end of a stream to stdout; only once.
    (func $open-out (result i32) (local $pair i64)
      (local.set $pair (call $new-stream))
      (global.set $out-end (call $stdout (call $low (local.get $pair))))
      (global.set $out (call $high (local.get $pair)))
      (global.get $out))
    (func $say (param i32 i32)
      (if (i32.eqz (global.get $out)) (then (drop (call $open-out))))
      (drop (call $write-all (global.get $out) (local.get 0) (local.get 1))))
    ;; A list of strings, each in a line.
    (func $say-list (param $at i32) (param $count i32)
      (block $end
        (loop $more
          (br_if $end (i32.eqz (local.get $count)))
          (call $say (i32.load (local.get $at)) (i32.load offset=4 (local.get $at)))
          (i32.store8 (i32.const 16) (i32.const 10))
          (call $say (i32.const 16) (i32.const 1))
          (local.set $at (i32.add (local.get $at) (i32.const 8)))
          (local.set $count (i32.sub (local.get $count) (i32.const 1)))
          (br $more))))
    ;; Ends that stream, and waits until it is written: 0 is success.
    (func $close-out (result i32)
      (call $drop-writable (global.get $out))
      (drop (call $settle (global.get $out-end)
        (call $start-out-end (global.get $out-end) (i32.const 16))))
      (i32.load8_u (i32.const 16)))`,
};
HELPERS['wasi:http/types'] = `
  (global $trailers (mut i32) (i32.const 0))
  (global $headers (mut i32) (i32.const 0))
  ;; Fields with one of a name and a value in one text.
  (func $one-field (param $at i32) (param $name i32) (param $value i32) (result i32) (local $fields i32)
    (local.set $fields (call $new-fields))
    (call $append-field (local.get $fields) (local.get $at) (local.get $name)
      (i32.add (local.get $at) (local.get $name)) (local.get $value) (i32.const 64))
    (if (i32.load8_u (i32.const 64)) (then unreachable))
    (local.get $fields))
  ;; Answers with a status and a body: a stream, or none.
  (func $reply (param $status i32) (param $has-body i32) (param $body i32) (local $pair i64)
    (local.set $pair (call $new-trailers))
    (global.set $trailers (call $high (local.get $pair)))
    (if (i32.eqz (global.get $headers)) (then (global.set $headers (call $new-fields))))
    (call $new-response (global.get $headers) (local.get $has-body) (local.get $body)
      (call $low (local.get $pair)) (i32.const 64))
    (if (call $set-status (i32.load (i32.const 64)) (local.get $status)) (then unreachable))
    (call $answer (i32.const 0) (i32.load (i32.const 64)) (i32.const 0) (i64.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
  ;; Answers with an error that has nothing with it.
  (func $refuse (param $code i32)
    (call $answer (i32.const 1) (local.get $code) (i32.const 0) (i64.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
  ;; Ends the answer. Without trailers the result is taken from bytes that are zero.
  (func $finish
    (drop (call $settle (global.get $trailers)
      (call $start-trailers (global.get $trailers) (i32.const 512)))))
  ;; Ends the answer with trailers.
  (func $finish-with (param $fields i32)
    (i32.store (i32.const 520) (i32.const 1))
    (i32.store (i32.const 524) (local.get $fields))
    (call $finish))
  ;; The body of a request.
  (func $body (param $request i32) (result i32) (local $pair i64)
    (local.set $pair (call $new-sent))
    (call $consume-body (local.get $request) (call $low (local.get $pair)) (i32.const 64))
    (drop (call $start-sent (call $high (local.get $pair)) (i32.const 512)))
    (i32.load (i32.const 64)))`;

/** More builtins, for interfaces that have none of their own. */
const MORE = {
  'wasi:cli/stdout': {
    more: {
      'start-out-end': [
        'future.read $out-end-type async (memory $memory)',
        '(param i32 i32) (result i32)',
      ],
    },
    defined: '(type $out-end-type (future (result (error $cli-error))))',
  },
};

const simple = (name) => name.replace(/[:/]/g, '-');

/**
 * The text of a component.
 *
 * @param {object} parts
 * @param {string[]} [parts.uses] the interfaces that it imports
 * @param {string} parts.code functions of its module, of which some are exported
 * @param {string} parts.exports what it lifts and exports; its module is `$main`
 * @param {Record<string, [string, string]>} [parts.builtins] more that its module imports, with core types
 */
export function textOf({ uses = [], code, exports, builtins = {} }) {
  const used = uses.map((name) => ({ name, ...INTERFACES[name] }));
  const imports = [];
  const [lowered, given, taken] = [[], [], []];
  const add = (name, canon, type) => {
    lowered.push(`(core func $${name} (canon ${canon}))`);
    given.push(`(export "${name}" (func $${name}))`);
    taken.push(`(import "host" "${name}" (func $${name} ${type}))`);
  };
  const defined = ['(type $bytes (stream u8))'];
  for (const { name, body, types = {}, defined: more = '' } of used) {
    const id = simple(name);
    imports.push(`(import "${name}@${VERSION}" (instance $${id} ${body}))`);
    for (const [own, type] of Object.entries(types)) {
      imports.push(`(alias export $${id} "${type}" (type $${own}))`);
    }
    defined.push(more, MORE[name]?.defined ?? '');
  }
  for (const [name, [canon, type]] of Object.entries({ ...BUILTINS, ...builtins }))
    add(name, canon, type);
  for (const { name, functions, more = {} } of used) {
    for (const [own, [function_, type, how = '']] of Object.entries(functions)) {
      const target = `(func $${simple(name)} "${function_}")`;
      add(own, `lower ${target} ${how} (memory $memory) (realloc $realloc)`, type);
    }
    for (const [own, [canon, type]] of Object.entries({ ...more, ...MORE[name]?.more })) {
      add(own, canon, type);
    }
  }
  return `(component
    ${imports.join('\n')}
    ${LIBC}
    (core instance $libc (instantiate $libc))
    (alias core export $libc "memory" (core memory $memory))
    (alias core export $libc "realloc" (core func $realloc))
    ${defined.join('\n')}
    ${lowered.join('\n')}
    (core module $main
      (import "libc" "memory" (memory 4))
      ${taken.join('\n')}
      ${['', ...uses].map((name) => HELPERS[name] ?? '').join('\n')}
      ${code})
    (core instance $main (instantiate $main
      (with "libc" (instance $libc))
      (with "host" (instance ${given.join('\n')}))))
    ${exports})`;
}

const RUN = `(func $run async (result (result)) (canon lift (core func $main "run")))
  (instance $run (export "run" (func $run)))`;

/**
 * The bytes of a command.
 *
 * @param {string[]} uses the interfaces that it imports
 * @param {string} body of its function `run`: 0 is success, 1 is none
 * @param {string} [rest] more of its module
 * @param {string} [name] of what it exports
 */
export const command = (uses, body, rest = '', name = `wasi:cli/run@${VERSION}`) =>
  assembleComponent(
    textOf({
      uses,
      code: `${rest} (func (export "run") (result i32) ${body})`,
      exports: `${RUN} (export "${name}" (instance $run))`,
    }),
  );

/**
 * The same for a function `run` that goes on when it has returned, with `$return`.
 *
 * @param {string[]} uses
 * @param {string} body
 * @param {string} [rest]
 */
export const lasting = (uses, body, rest = '') =>
  assembleComponent(
    textOf({
      uses,
      builtins: { return: ['task.return (result (result))', '(param i32)'] },
      code: `${rest} (func (export "run") (result i32) ${body} (i32.const 0))
        (func (export "callback") (param i32 i32 i32) (result i32) unreachable)`,
      exports: `(func $run async (result (result))
          (canon lift (core func $main "run") async (callback (core func $main "callback"))))
        (instance $run (export "run" (func $run)))
        (export "wasi:cli/run@${VERSION}" (instance $run))`,
    }),
  );

/**
 * The bytes of a handler of HTTP.
 *
 * @param {string} body of its function, whose parameter is `$request`; it calls `$reply` or `$refuse`
 * @param {string[]} [uses] more interfaces that it imports
 * @param {string} [rest] more of its module
 */
export const handling = (body, uses = [], rest = '') =>
  assembleComponent(
    textOf({
      uses: ['wasi:http/types', ...uses],
      code: `${rest}
        (func (export "handle") (param $request i32) (result i32)
          ${body} (i32.const 0))
        (func (export "callback") (param i32 i32 i32) (result i32) unreachable)`,
      exports: `(func $handle async (param "request" (own $request))
          (result (result (own $response) (error $http-error)))
          (canon lift (core func $main "handle") (memory $memory) (realloc $realloc)
            async (callback (core func $main "callback"))))
        (instance $handler (export "handle" (func $handle)))
        (export "wasi:http/handler@${VERSION}" (instance $handler))`,
    }),
  );
