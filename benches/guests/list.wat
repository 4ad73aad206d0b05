;; Lists the first preopen through a buffer of 4 KiB, as wasi-libc does.
(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_readdir"
    (func $fd_readdir (param i32 i32 i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))

  (memory (export "memory") 1)
  (data (i32.const 0) ".")
  ;; 16: a result; 4096: the buffer

  (func (export "_start"))

  ;; How many entries there are.
  (func (export "list") (result i32)
    (local $fd i32) (local $at i32) (local $end i32) (local $next i32)
    (local $cookie i64) (local $count i32)
    (if (call $path_open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 1)
          (i32.const 2) (i64.const 0x4000) (i64.const 0) (i32.const 0) (i32.const 16))
      (then unreachable))
    (local.set $fd (i32.load (i32.const 16)))
    (loop $more
      (if (call $fd_readdir (local.get $fd) (i32.const 4096) (i32.const 4096)
            (local.get $cookie) (i32.const 16))
        (then unreachable))
      (local.set $at (i32.const 4096))
      (local.set $end (i32.add (local.get $at) (i32.load (i32.const 16))))
      (block $cut
        (loop $entry ;; d_next, d_ino, d_namlen at 16, d_type; the name at 24
          (br_if $cut (i32.gt_u (i32.add (local.get $at) (i32.const 24)) (local.get $end)))
          (local.set $next
            (i32.add (i32.const 24)
              (i32.add (local.get $at) (i32.load offset=16 (local.get $at)))))
          (br_if $cut (i32.gt_u (local.get $next) (local.get $end)))
          (local.set $cookie (i64.load (local.get $at)))
          (local.set $count (i32.add (local.get $count) (i32.const 1)))
          (local.set $at (local.get $next))
          (br $entry)))
      (br_if $more (i32.eq (i32.load (i32.const 16)) (i32.const 4096))))
    (drop (call $fd_close (local.get $fd)))
    (local.get $count)))
