;; The interpreter of docs/load.md: `init` has to be called before `eval` doubles a number.
(module
  (memory (export "memory") 1)
  (func (export "init") (i32.store (i32.const 0) (i32.const 2)))
  (func (export "eval") (param i32) (result i32) (i32.mul (local.get 0) (i32.load (i32.const 0)))))
