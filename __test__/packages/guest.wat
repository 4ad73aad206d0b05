;; Opens the file its first argument names in the first preopened directory, writes its content to stdout, and exits
;; with the number of bytes.
(module
  (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)

  (func $length (param $text i32) (result i32)
    (local $end i32)
    (local.set $end (local.get $text))
    (loop $next
      (if (i32.load8_u (local.get $end)) (then
        (local.set $end (i32.add (local.get $end) (i32.const 1)))
        (br $next))))
    (i32.sub (local.get $end) (local.get $text)))

  (func $need (param $errno i32)
    (if (local.get $errno) (then (call $proc_exit (i32.sub (i32.const 0) (local.get $errno))))))

  (func (export "_start")
    (local $name i32)
    (call $need (call $args_get (i32.const 64) (i32.const 1024)))
    (local.set $name (i32.load (i32.const 68)))
    (call $need (call $path_open
      (i32.const 3) (i32.const 0) (local.get $name) (call $length (local.get $name)) (i32.const 0)
      (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 16)))
    (i32.store (i32.const 0) (i32.const 4096))
    (i32.store (i32.const 4) (i32.const 4096))
    (call $need (call $fd_read (i32.load (i32.const 16)) (i32.const 0) (i32.const 1) (i32.const 4)))
    (call $need (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 20)))
    (call $proc_exit (i32.load (i32.const 20)))))
