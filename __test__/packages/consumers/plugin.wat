;; note(): writes the plugin's input to the file `note` of the first preopened directory and answers what it reads there.
(module
  (import "extism:host/env" "input_length" (func $input_length (result i64)))
  (import "extism:host/env" "input_load_u8" (func $input_load_u8 (param i64) (result i32)))
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_pread" (func $fd_pread (param i32 i32 i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 128) "note")

  (func $need (param $errno i32)
    (if (local.get $errno) (then unreachable)))

  (func (export "note") (result i32)
    (local $i i32) (local $length i32) (local $block i64)
    (local.set $length (i32.wrap_i64 (call $input_length)))
    (loop $next
      (if (i32.lt_u (local.get $i) (local.get $length)) (then
        (i32.store8 offset=1024 (local.get $i)
          (call $input_load_u8 (i64.extend_i32_u (local.get $i))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next))))

    ;; O_CREAT and O_EXCL; FD_READ and FD_WRITE
    (call $need (call $path_open
      (i32.const 3) (i32.const 0) (i32.const 128) (i32.const 4) (i32.const 5)
      (i64.const 0x42) (i64.const 0) (i32.const 0) (i32.const 16)))
    (i32.store (i32.const 0) (i32.const 1024))
    (i32.store (i32.const 4) (local.get $length))
    (call $need (call $fd_write (i32.load (i32.const 16)) (i32.const 0) (i32.const 1) (i32.const 20)))
    (i32.store (i32.const 0) (i32.const 8192))
    (i32.store (i32.const 4) (i32.const 4096))
    (call $need (call $fd_pread
      (i32.load (i32.const 16)) (i32.const 0) (i32.const 1) (i64.const 0) (i32.const 20)))
    (call $need (call $fd_close (i32.load (i32.const 16))))

    (local.set $length (i32.load (i32.const 20)))
    (local.set $block (call $alloc (i64.extend_i32_u (local.get $length))))
    (local.set $i (i32.const 0))
    (loop $next
      (if (i32.lt_u (local.get $i) (local.get $length)) (then
        (call $store_u8
          (i64.add (local.get $block) (i64.extend_i32_u (local.get $i)))
          (i32.load8_u offset=8192 (local.get $i)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next))))
    (call $output_set (local.get $block) (i64.extend_i32_u (local.get $length)))
    (i32.const 0)))
