;; Copies the file "in" of the first preopen to "out" of the second, 64 KiB at a time. Exits with the errno of what failed.
(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))

  (memory (export "memory") 2)
  (data (i32.const 0) "in")
  (data (i32.const 8) "out")
  (data (i32.const 16) "\00\00\01\00\00\00\01\00") ;; an iovec: 64 KiB at 64 KiB
  ;; 24: the second iovec, what has been read; 32: a count; 40: a descriptor

  (func $check (param $errno i32)
    (if (local.get $errno) (then (call $proc_exit (local.get $errno)))))

  (func $open (param $folder i32) (param $name i32) (param $length i32) (param $oflags i32) (param $rights i64)
      (result i32)
    (call $check (call $path_open (local.get $folder) (i32.const 0) (local.get $name) (local.get $length)
      (local.get $oflags) (local.get $rights) (i64.const 0) (i32.const 0) (i32.const 40)))
    (i32.load (i32.const 40)))

  (func (export "_start") (local $in i32) (local $out i32)
    (local.set $in (call $open (i32.const 3) (i32.const 0) (i32.const 2) (i32.const 0) (i64.const 2)))
    ;; oflags 5: creates it, exclusively
    (local.set $out (call $open (i32.const 4) (i32.const 8) (i32.const 3) (i32.const 5) (i64.const 64)))
    (i32.store (i32.const 24) (i32.const 65536))
    (block $done
      (loop $again
        (call $check (call $fd_read (local.get $in) (i32.const 16) (i32.const 1) (i32.const 28)))
        (br_if $done (i32.eqz (i32.load (i32.const 28))))
        (call $check (call $fd_write (local.get $out) (i32.const 24) (i32.const 1) (i32.const 32)))
        (if (i32.ne (i32.load (i32.const 28)) (i32.load (i32.const 32)))
          (then (call $proc_exit (i32.const 29)))) ;; EIO: a regular file takes all
        (br $again)))
    (call $check (call $fd_close (local.get $in)))
    (call $check (call $fd_close (local.get $out)))))
