//! Worlds of components: the interfaces by which commands are run and handlers of HTTP are called, and the
//! versions of WASI that they are for.

use crate::error::ProgramError;

/// The versions of WASI that components are for, oldest first.
const VERSIONS: [&str; 2] = ["0.2", "0.3"];

/// The packages that come with each version of WASI, and have its number. (Others have numbers of their own.)
const PACKAGES: [&str; 7] = ["cli", "clocks", "filesystem", "http", "io", "random", "sockets"];

/// The beginning of the name of the interface that a command exports.
const RUN: &str = "wasi:cli/run@";

/// The beginning of the name of the interface, in WASI 0.3, that a handler of HTTP exports.
const ASYNCHRONOUS_HANDLER: &str = "wasi:http/handler@";

/// The beginnings of the names of these interfaces, oldest first.
const HANDLERS: [&str; 2] = ["wasi:http/incoming-handler@", ASYNCHRONOUS_HANDLER];

/// Refuses a component that exports this interface of commands, or none, and perhaps that of handlers.
pub fn check_command(run: Option<&str>, is_handler: bool) -> Result<(), ProgramError> {
    let why = match run.and_then(|name| name.strip_prefix(RUN)) {
        Some(version) if is_supported(version) => return Ok(()),
        Some(version) => {
            format!("is a command for WASI {version}; components run here that are built for WASI 0.2 or 0.3")
        }
        None if is_handler => {
            "is a handler of HTTP and no command: handler() calls it, and `wasi-rs serve` on the command line"
                .to_owned()
        }
        None => {
            "is a component that is no command, since it exports no wasi:cli/run: load() gives its exports".to_owned()
        }
    };
    Err(ProgramError::Wrong(why))
}

/// Refuses a component that exports this interface of handlers of HTTP, or none.
pub fn check_handler(handler: Option<&str>) -> Result<(), ProgramError> {
    let version = handler.and_then(|name| HANDLERS.iter().find_map(|handler| name.strip_prefix(handler)));
    let why = match version {
        Some(version) if is_supported(version) => return Ok(()),
        Some(version) => {
            format!("is a handler of HTTP for WASI {version}; those run here that are built for WASI 0.2 or 0.3")
        }
        None => "is no handler of HTTP: it exports neither wasi:http/incoming-handler nor wasi:http/handler".to_owned(),
    };
    Err(ProgramError::Wrong(why))
}

/// The interface by which a command with these exports is run: the newest, if it has several.
pub fn run_of<'n>(exports: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let version = |name: &&'n str| name.strip_prefix(RUN).map(is_supported);
    exports.filter(|name| name.starts_with(RUN)).max_by_key(|name| (version(name), *name))
}

/// The interface by which a handler of HTTP with these exports is called: the newest, if it has several.
pub fn handler_of<'n>(exports: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let age = |name: &&str| HANDLERS.iter().rposition(|handler| name.starts_with(handler));
    exports.filter(|name| age(name).is_some()).max_by_key(age)
}

/// True for the interface of handlers of HTTP in WASI 0.3.
pub fn is_asynchronous_handler(name: &str) -> bool {
    name.starts_with(ASYNCHRONOUS_HANDLER)
}

/// True for a version (`0.3.0`) of one that components are for.
fn is_supported(version: &str) -> bool {
    VERSIONS.iter().any(|known| version.strip_prefix(known).is_some_and(|patch| patch.starts_with('.')))
}

/// The version of WASI that a component with these imports and exports is for: the newest of their
/// interfaces, which may be one that is not known here. Asynchronous functions came with the newest known
/// one.
pub fn version<'n>(names: impl IntoIterator<Item = &'n str>, is_asynchronous: bool) -> String {
    let [oldest, newest] = VERSIONS;
    let least = if is_asynchronous { newest } else { oldest };
    let all = names.into_iter().filter_map(version_of).chain(numbers(least));
    let (major, minor) = all.max().unwrap_or_default();
    format!("{major}.{minor}")
}

/// The version of WASI that an interface belongs to, if it does.
fn version_of(name: &str) -> Option<(u32, u32)> {
    let (package, rest) = name.strip_prefix("wasi:")?.split_once('/')?;
    PACKAGES.contains(&package).then(|| numbers(rest.split_once('@')?.1)).flatten()
}

/// The first two numbers of a version.
fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_for_the_newest_version_that_it_has() {
        let refusal = |run| check_command(run, false).unwrap_err().to_string();
        assert!(check_command(Some("wasi:cli/run@0.3.0"), false).is_ok());
        assert!(check_handler(Some("wasi:http/handler@0.3.0")).is_ok());
        assert_eq!(version(["wasi:cli/run@0.2.3", "other:x/y@0.3.0"], false), "0.2");
        assert_eq!(version(["wasi:cli/run@0.2.3", "wasi:cli/stdin@0.3.1"], false), "0.3");
        assert_eq!(version(["wasi:cli/stdin@0.3.0-rc-2025-09-16", "wasi:nn/tensor@0.9.0"], false), "0.3");
        assert_eq!(version(["wasi:cli/run@0.4.0", "wasi:cli/stdin@0.3.1"], true), "0.4");
        assert_eq!(version(["wasi:cli/run@0.10.0", "wasi:cli/stdin@0.9"], false), "0.10");
        assert_eq!(version(["wasi:cli/run@1.0.0"], true), "1.0");
        assert_eq!(version(["wasi:cli/run@odd", "wasi:cli", "f"], false), "0.2");
        assert_eq!(version(["f"], true), "0.3");
        assert!(check_command(None, true).unwrap_err().to_string().contains("`wasi-rs serve`"));
        assert!(refusal(None).starts_with("is a component that is no command"));
        assert!(refusal(Some("wasi:cli/run@0.4.0")).starts_with("is a command for WASI 0.4.0; "));
        assert!(refusal(Some("wasi:cli/run@0.30.0")).starts_with("is a command for WASI 0.30.0; "));
        let newer = ["wasi:cli/run@0.3.0", "wasi:cli/run@0.4.0"];
        assert_eq!(run_of(newer.into_iter()), Some("wasi:cli/run@0.3.0"));
        let both =
            ["wasi:cli/run@0.3.0", "wasi:cli/run@0.2.9", "wasi:http/incoming-handler@0.2.0", "wasi:http/handler@0.3.0"];
        assert_eq!(run_of(both.into_iter()), Some("wasi:cli/run@0.3.0"));
        assert_eq!(handler_of(both.into_iter()), Some("wasi:http/handler@0.3.0"));
    }
}
