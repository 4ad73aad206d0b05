use crate::abi::Errno;
use rustix::io::Errno as Os;

/// The name of an error number.
pub fn from_code(code: i32) -> Errno {
    Os::from_raw_os_error(code).into()
}

impl From<Os> for Errno {
    #[allow(clippy::too_many_lines, reason = "one row per error of the operating system")]
    fn from(error: Os) -> Self {
        // Two names of one number on Linux, two numbers elsewhere.
        if error == Os::WOULDBLOCK {
            return Self::Again;
        }
        if error == Os::OPNOTSUPP {
            return Self::Notsup;
        }
        match error {
            Os::TOOBIG => Self::TooBig,
            Os::ACCESS => Self::Acces,
            Os::ADDRINUSE => Self::Addrinuse,
            Os::ADDRNOTAVAIL => Self::Addrnotavail,
            Os::AFNOSUPPORT => Self::Afnosupport,
            Os::AGAIN => Self::Again,
            Os::ALREADY => Self::Already,
            Os::BADF => Self::Badf,
            Os::BADMSG => Self::Badmsg,
            Os::BUSY => Self::Busy,
            Os::CANCELED => Self::Canceled,
            Os::CHILD => Self::Child,
            Os::CONNABORTED => Self::Connaborted,
            Os::CONNREFUSED => Self::Connrefused,
            Os::CONNRESET => Self::Connreset,
            Os::DEADLK => Self::Deadlk,
            Os::DESTADDRREQ => Self::Destaddrreq,
            Os::DOM => Self::Dom,
            Os::DQUOT => Self::Dquot,
            Os::EXIST => Self::Exist,
            Os::FAULT => Self::Fault,
            Os::FBIG => Self::Fbig,
            Os::HOSTUNREACH => Self::Hostunreach,
            Os::IDRM => Self::Idrm,
            Os::ILSEQ => Self::Ilseq,
            Os::INPROGRESS => Self::Inprogress,
            Os::INTR => Self::Intr,
            Os::INVAL => Self::Inval,
            Os::ISCONN => Self::Isconn,
            Os::ISDIR => Self::Isdir,
            Os::LOOP => Self::Loop,
            Os::MFILE => Self::Mfile,
            Os::MLINK => Self::Mlink,
            Os::MSGSIZE => Self::Msgsize,
            Os::MULTIHOP => Self::Multihop,
            Os::NAMETOOLONG => Self::Nametoolong,
            Os::NETDOWN => Self::Netdown,
            Os::NETRESET => Self::Netreset,
            Os::NETUNREACH => Self::Netunreach,
            Os::NFILE => Self::Nfile,
            Os::NOBUFS => Self::Nobufs,
            Os::NODEV => Self::Nodev,
            Os::NOENT => Self::Noent,
            Os::NOEXEC => Self::Noexec,
            Os::NOLCK => Self::Nolck,
            Os::NOLINK => Self::Nolink,
            Os::NOMEM => Self::Nomem,
            Os::NOMSG => Self::Nomsg,
            Os::NOPROTOOPT => Self::Noprotoopt,
            Os::NOSPC => Self::Nospc,
            Os::NOSYS => Self::Nosys,
            Os::NOTCONN => Self::Notconn,
            Os::NOTDIR => Self::Notdir,
            Os::NOTEMPTY => Self::Notempty,
            Os::NOTRECOVERABLE => Self::Notrecoverable,
            Os::NOTSOCK => Self::Notsock,
            Os::NOTSUP => Self::Notsup,
            Os::NOTTY => Self::Notty,
            Os::NXIO => Self::Nxio,
            Os::OVERFLOW => Self::Overflow,
            Os::OWNERDEAD => Self::Ownerdead,
            Os::PERM => Self::Perm,
            Os::PIPE => Self::Pipe,
            Os::PROTO => Self::Proto,
            Os::PROTONOSUPPORT => Self::Protonosupport,
            Os::PROTOTYPE => Self::Prototype,
            Os::RANGE => Self::Range,
            Os::ROFS => Self::Rofs,
            Os::SPIPE => Self::Spipe,
            Os::SRCH => Self::Srch,
            Os::STALE => Self::Stale,
            Os::TIMEDOUT => Self::Timedout,
            Os::TXTBSY => Self::Txtbsy,
            Os::XDEV => Self::Xdev,
            _ => Self::Io,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_os_keep_their_names() {
        for (os, errno) in [
            (libc::ENOENT, Errno::Noent),
            (libc::EAGAIN, Errno::Again),
            (libc::EWOULDBLOCK, Errno::Again),
            (libc::EOPNOTSUPP, Errno::Notsup),
            (libc::ENOTSUP, Errno::Notsup),
            (libc::ELOOP, Errno::Loop),
            (libc::EPIPE, Errno::Pipe),
            (libc::ENOSPC, Errno::Nospc),
            (libc::EACCES, Errno::Acces),
        ] {
            assert_eq!(from_code(os), errno);
        }
    }
}
