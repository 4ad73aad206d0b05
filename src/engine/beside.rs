//! A process beside this one, of the lowest priority, that nobody waits for.
//!
//! std starts it without a copy of this process's page tables, which take Node several milliseconds.

use rustix::process::{Pid, setpriority_process};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread;

/// What it takes to write to a pipe and wait.
const STACK: usize = 64 * 1024;

/// The lowest that there is.
const PRIORITY: i32 = 19;

/// Starts a program, in an environment of nothing but `env`; what it reads is `input`, what it writes is lost.
pub fn start(program: &str, args: &[String], env: (&str, &str), input: Option<Vec<u8>>) -> io::Result<()> {
    let child = Command::new(program)
        .args(args)
        .env_clear()
        .env(env.0, env.1)
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0) // the terminal's signals are not for it
        .spawn()?;
    // That it can't is no reason to end it.
    let _ = setpriority_process(i32::try_from(child.id()).ok().and_then(Pid::from_raw), PRIORITY);
    let thread = thread::Builder::new().name("wasi-rs beside".to_owned()).stack_size(STACK);
    thread.spawn(move || attend(child, input)).map(drop)
}

/// Gives it what it reads, and takes note of its end, or it would stay in the list of processes.
fn attend(mut child: Child, input: Option<Vec<u8>>) {
    if let (Some(mut stdin), Some(bytes)) = (child.stdin.take(), input) {
        let _ = stdin.write_all(&bytes);
    }
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::start;
    use std::fs;
    use std::time::{Duration, Instant};

    #[test]
    fn it_gets_its_input_and_environment_and_the_lowest_priority() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("out");
        let script = format!(
            "nice >&2; cat - > {0}.part; nice >> {0}.part; printenv >> {0}.part; mv {0}.part {0}",
            file.display()
        );
        let input = vec![b'x'; 200_000];
        start("/bin/sh", &["-c".to_owned(), script], ("A", "b"), Some(input.clone())).unwrap();
        let begun = Instant::now();
        while !file.exists() {
            assert!(begun.elapsed() < Duration::from_secs(60), "it has not ended");
            std::thread::yield_now();
        }
        let written = fs::read(&file).unwrap();
        let (head, rest) = written.split_at(input.len());
        assert!(head == input);
        let rest = String::from_utf8_lossy(rest);
        assert!(rest.starts_with("19\n"), "{rest}");
        assert!(rest.contains("\nA=b\n") && !rest.contains("\nHOME="), "{rest}");
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error() {
        start("/nowhere/at/all", &[], ("A", "b"), None).unwrap_err();
    }
}
