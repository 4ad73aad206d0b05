;; The library of docs/load.md: it logs a text and waits, by functions of the embedder, before it adds.
(module
  (import "env" "log" (func $log (param i32 i32)))
  (import "env" "pause" (func $pause (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "adding")
  (func (export "add") (param i32 i32) (result i32)
    (call $log (i32.const 16) (i32.const 6))
    (call $pause (i32.const 1))
    (i32.add (local.get 0) (local.get 1))))
