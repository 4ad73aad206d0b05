//! The names of system calls, and patterns of them.

use super::super::SYSCALLS;
use crate::watch::MOST;

/// The names of the calls of sockets, which the list has not. (`sock_accept` and `sock_shutdown` it has.)
const OF_SOCKETS: [&str; 14] = [
    "sock_open",
    "sock_bind",
    "sock_connect",
    "sock_connected",
    "sock_disconnect",
    "sock_listen",
    "sock_local_address",
    "sock_remote_address",
    "sock_setting",
    "sock_set_setting",
    "sock_send_to",
    "sock_receive_from",
    "sock_look_up",
    "sock_next_address",
];

const _: () = assert!(SYSCALLS.len() + OF_SOCKETS.len() <= MOST, "each has a bit of a selection");

/// The names of all system calls by their numbers: those of the list, and those of sockets behind them.
pub fn names() -> impl Iterator<Item = &'static str> {
    SYSCALLS.iter().map(|row| row.name).chain(OF_SOCKETS)
}

/// The number of a system call.
pub fn number_of(name: &str) -> usize {
    names().position(|other| other == name).unwrap_or(MOST)
}

/// The system calls that a pattern stands for, where `*` is any text: a bit for each.
pub fn matching(pattern: &str) -> u64 {
    let found = names().enumerate().filter(|(_, name)| matches(pattern.as_bytes(), name.as_bytes()));
    found.fold(0, |calls, (number, _)| calls | 1 << number)
}

/// True if the text is of the pattern. The text that a `*` stands for grows until the rest fits, and only
/// that of the last one has to: so it takes no longer than the product of both lengths.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    let mut star = None;
    while seen < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(letter) if text.get(seen) == Some(letter) => {
                at += 1;
                seen += 1;
            }
            _ => {
                let Some((last, from)) = star else { return false };
                star = Some((last, from + 1));
                (at, seen) = (last + 1, from + 1);
            }
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|letter| *letter == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_stand_for_names() {
        let count = |pattern| matching(pattern).count_ones() as usize;
        assert_eq!(count("*"), SYSCALLS.len() + OF_SOCKETS.len());
        assert_eq!(count("path_*"), SYSCALLS.iter().filter(|row| row.name.starts_with("path_")).count());
        for (pattern, name) in [("*_exit", "proc_exit"), ("p*e*it", "proc_exit"), ("sock_o*n**", "sock_open")] {
            assert_eq!(matching(pattern), 1 << number_of(name), "{pattern}");
        }
        for pattern in ["", "fd_writ", "fd_writes", "FD_WRITE", "path_?", "*x*x*x*x*"] {
            assert_eq!(count(pattern), 0, "{pattern}");
        }
    }
}
