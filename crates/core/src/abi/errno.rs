//! The error numbers a guest sees: number, name and text in one list.

/// Declares [`Errno`] from rows of `number Variant "NAME" "text"`.
macro_rules! errnos {
    ($($number:literal $variant:ident $name:literal $text:literal;)*) => {
        /// An error number of WASI (`errno` in the standard); 0 is success.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum Errno {
            $(#[doc = $text] $variant = $number,)*
        }

        impl Errno {
            /// Every error number, ascending.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The POSIX name, such as `ENOENT`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Its meaning, in a phrase.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

errnos! {
    0 Success "ESUCCESS" "no error";
    1 TooBig "E2BIG" "argument list too long";
    2 Acces "EACCES" "permission denied";
    3 Addrinuse "EADDRINUSE" "address in use";
    4 Addrnotavail "EADDRNOTAVAIL" "address not available";
    5 Afnosupport "EAFNOSUPPORT" "address family not supported";
    6 Again "EAGAIN" "resource unavailable, try again";
    7 Already "EALREADY" "connection already in progress";
    8 Badf "EBADF" "bad file descriptor";
    9 Badmsg "EBADMSG" "bad message";
    10 Busy "EBUSY" "device or resource busy";
    11 Canceled "ECANCELED" "operation canceled";
    12 Child "ECHILD" "no child processes";
    13 Connaborted "ECONNABORTED" "connection aborted";
    14 Connrefused "ECONNREFUSED" "connection refused";
    15 Connreset "ECONNRESET" "connection reset";
    16 Deadlk "EDEADLK" "resource deadlock would occur";
    17 Destaddrreq "EDESTADDRREQ" "destination address required";
    18 Dom "EDOM" "argument out of the function's domain";
    19 Dquot "EDQUOT" "disk quota exceeded";
    20 Exist "EEXIST" "file exists";
    21 Fault "EFAULT" "bad address";
    22 Fbig "EFBIG" "file too large";
    23 Hostunreach "EHOSTUNREACH" "host is unreachable";
    24 Idrm "EIDRM" "identifier removed";
    25 Ilseq "EILSEQ" "illegal byte sequence";
    26 Inprogress "EINPROGRESS" "operation in progress";
    27 Intr "EINTR" "interrupted function";
    28 Inval "EINVAL" "invalid argument";
    29 Io "EIO" "i/o error";
    30 Isconn "EISCONN" "socket is connected";
    31 Isdir "EISDIR" "is a directory";
    32 Loop "ELOOP" "too many levels of symbolic links";
    33 Mfile "EMFILE" "too many open files";
    34 Mlink "EMLINK" "too many links";
    35 Msgsize "EMSGSIZE" "message too large";
    36 Multihop "EMULTIHOP" "multihop attempted";
    37 Nametoolong "ENAMETOOLONG" "file name too long";
    38 Netdown "ENETDOWN" "network is down";
    39 Netreset "ENETRESET" "connection aborted by network";
    40 Netunreach "ENETUNREACH" "network unreachable";
    41 Nfile "ENFILE" "too many files open in system";
    42 Nobufs "ENOBUFS" "no buffer space available";
    43 Nodev "ENODEV" "no such device";
    44 Noent "ENOENT" "no such file or directory";
    45 Noexec "ENOEXEC" "executable file format error";
    46 Nolck "ENOLCK" "no locks available";
    47 Nolink "ENOLINK" "link has been severed";
    48 Nomem "ENOMEM" "not enough space";
    49 Nomsg "ENOMSG" "no message of the desired type";
    50 Noprotoopt "ENOPROTOOPT" "protocol not available";
    51 Nospc "ENOSPC" "no space left on device";
    52 Nosys "ENOSYS" "function not supported";
    53 Notconn "ENOTCONN" "the socket is not connected";
    54 Notdir "ENOTDIR" "not a directory or a symbolic link to a directory";
    55 Notempty "ENOTEMPTY" "directory not empty";
    56 Notrecoverable "ENOTRECOVERABLE" "state not recoverable";
    57 Notsock "ENOTSOCK" "not a socket";
    58 Notsup "ENOTSUP" "not supported, or operation not supported on socket";
    59 Notty "ENOTTY" "inappropriate i/o control operation";
    60 Nxio "ENXIO" "no such device or address";
    61 Overflow "EOVERFLOW" "value too large to be stored in data type";
    62 Ownerdead "EOWNERDEAD" "previous owner died";
    63 Perm "EPERM" "operation not permitted";
    64 Pipe "EPIPE" "broken pipe";
    65 Proto "EPROTO" "protocol error";
    66 Protonosupport "EPROTONOSUPPORT" "protocol not supported";
    67 Prototype "EPROTOTYPE" "protocol wrong type for socket";
    68 Range "ERANGE" "result too large";
    69 Rofs "EROFS" "read-only file system";
    70 Spipe "ESPIPE" "invalid seek";
    71 Srch "ESRCH" "no such process";
    72 Stale "ESTALE" "stale file handle";
    73 Timedout "ETIMEDOUT" "connection timed out";
    74 Txtbsy "ETXTBSY" "text file busy";
    75 Xdev "EXDEV" "cross-device link";
    76 Notcapable "ENOTCAPABLE" "capabilities insufficient";
}

impl Errno {
    /// The number as the guest sees it.
    pub const fn number(self) -> u16 {
        self as u16
    }
}

/// The answer of a syscall's body.
pub type Result<T = ()> = std::result::Result<T, Errno>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_dense_and_ascending() {
        for (index, errno) in Errno::ALL.iter().enumerate() {
            assert_eq!(usize::from(errno.number()), index, "{}", errno.name());
        }
        assert_eq!(Errno::ALL.len(), 77);
    }

    #[test]
    fn names_are_posix_names_and_unique() {
        let mut names: Vec<_> = Errno::ALL.iter().map(|errno| errno.name()).collect();
        assert!(names.iter().all(|name| name.starts_with('E') && name.to_ascii_uppercase() == *name));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Errno::ALL.len());
    }
}
