// Ruby: the package's own way to a virtual machine, and one with a directory as its documentation has it.

import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { WASI } from 'node:wasi';
import { RubyVM } from '@ruby/wasm-wasi';
import { DefaultRubyVM } from '@ruby/wasm-wasi/dist/node';

const [, , folder] = process.argv;
const require = createRequire(import.meta.url);
const binary = require.resolve('@ruby/3.4-wasm-wasi/dist/ruby+stdlib.wasm');
const module = await WebAssembly.compile(fs.readFileSync(binary));

const { vm } = await DefaultRubyVM(module, { env: { GREETING: 'hello' } });
vm.eval(`$stdout.puts "#{ENV['GREETING']} from Ruby"; $stdout.flush`);
const json = vm.eval(
  `require 'json'; JSON.generate({ 'sum' => (1..10).sum, 'now' => Time.now.year > 2000 })`,
);

const wasi = new WASI({
  version: 'preview1',
  args: ['ruby.wasm', '-EUTF-8', '-e_=0'],
  preopens: { '/box': folder },
  returnOnExit: true,
});
const { vm: withFiles } = await RubyVM.instantiateModule({ module, wasip1: wasi });
withFiles.eval(`
  require 'fileutils'
  FileUtils.mkdir_p('/box/a/b')
  File.write('/box/a/b/one', "1\\n2\\n3\\n")
  File.rename('/box/a/b/one', '/box/a/two')
  File.open('/box/a/two', 'a') { |f| f.puts File.foreach('/box/a/two').sum(&:to_i) }`);
const listed = withFiles.eval(`Dir.children('/box/a').sort.join(' ')`);
const result = {
  json: JSON.parse(json.toString()),
  listed: listed.toString(),
  file: fs.readFileSync(path.join(folder, 'a', 'two'), 'utf8'),
  escape: withFiles
    .eval(
      `begin; File.read('/box/../../etc/passwd'); rescue SystemCallError => e; e.class.name; end`,
    )
    .toString(),
};
console.log(JSON.stringify(result));
