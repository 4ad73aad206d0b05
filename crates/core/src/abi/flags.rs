//! Enumerations and flag sets of the ABI.

use super::errno::{Errno, Result};
use bitflags::bitflags;

/// Declares a `u8` enumeration of the ABI whose numbers outside the list are refused with EINVAL.
macro_rules! enumeration {
    ($(#[$doc:meta])* $name:ident: $repr:ident { $($(#[$variant_doc:meta])* $variant:ident = $number:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr($repr)]
        pub enum $name { $($(#[$variant_doc])* $variant = $number,)* }

        impl $name {
            /// The value with this number, or EINVAL.
            pub const fn from_number(number: $repr) -> Result<Self> {
                match number {
                    $($number => Ok(Self::$variant),)*
                    _ => Err(Errno::Inval),
                }
            }

            /// The number as the guest sees it.
            pub const fn number(self) -> $repr {
                self as $repr
            }
        }
    };
}

enumeration! {
    /// The type of a descriptor or a directory entry.
    Filetype: u8 {
        /// Something the standard has no name for, a pipe for instance.
        Unknown = 0,
        /// A block device.
        BlockDevice = 1,
        /// A character device, a terminal for instance.
        CharacterDevice = 2,
        /// A directory.
        Directory = 3,
        /// A regular file.
        RegularFile = 4,
        /// A datagram socket.
        SocketDgram = 5,
        /// A stream socket.
        SocketStream = 6,
        /// A symbolic link.
        SymbolicLink = 7,
    }
}

enumeration! {
    /// A clock.
    Clockid: u32 {
        /// Wall time, since 1970-01-01T00:00Z.
        Realtime = 0,
        /// Time that never goes back, from an arbitrary point.
        Monotonic = 1,
        /// CPU time of the process.
        ProcessCputimeId = 2,
        /// CPU time of the thread.
        ThreadCputimeId = 3,
    }
}

enumeration! {
    /// The origin that `fd_seek` counts from (preview1's numbers).
    Whence: u8 {
        /// From the start of the file.
        Set = 0,
        /// From the current position.
        Cur = 1,
        /// From the end of the file.
        End = 2,
    }
}

enumeration! {
    /// The coming use of a file's data (`fd_advise`).
    Advice: u8 {
        /// No advice.
        Normal = 0,
        /// From lower to higher offsets.
        Sequential = 1,
        /// In random order.
        Random = 2,
        /// Soon.
        Willneed = 3,
        /// Not soon.
        Dontneed = 4,
        /// Once.
        Noreuse = 5,
    }
}

enumeration! {
    /// The subject of an event of `poll_oneoff`.
    Eventtype: u8 {
        /// A clock reached a time.
        Clock = 0,
        /// A descriptor has data to read.
        FdRead = 1,
        /// A descriptor can be written to.
        FdWrite = 2,
    }
}

bitflags! {
    /// The calls that a descriptor allows.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Rights: u64 {
        /// `fd_datasync`.
        const FD_DATASYNC = 1 << 0;
        /// `fd_read`, `sock_recv`; with FD_SEEK `fd_pread`.
        const FD_READ = 1 << 1;
        /// `fd_seek`; includes FD_TELL.
        const FD_SEEK = 1 << 2;
        /// `fd_fdstat_set_flags`.
        const FD_FDSTAT_SET_FLAGS = 1 << 3;
        /// `fd_sync`.
        const FD_SYNC = 1 << 4;
        /// `fd_tell`.
        const FD_TELL = 1 << 5;
        /// `fd_write`, `sock_send`; with FD_SEEK `fd_pwrite`.
        const FD_WRITE = 1 << 6;
        /// `fd_advise`.
        const FD_ADVISE = 1 << 7;
        /// `fd_allocate`.
        const FD_ALLOCATE = 1 << 8;
        /// `path_create_directory`.
        const PATH_CREATE_DIRECTORY = 1 << 9;
        /// `path_open` with CREAT.
        const PATH_CREATE_FILE = 1 << 10;
        /// `path_link`, of the source.
        const PATH_LINK_SOURCE = 1 << 11;
        /// `path_link`, of the target.
        const PATH_LINK_TARGET = 1 << 12;
        /// `path_open`.
        const PATH_OPEN = 1 << 13;
        /// `fd_readdir`.
        const FD_READDIR = 1 << 14;
        /// `path_readlink`.
        const PATH_READLINK = 1 << 15;
        /// `path_rename`, of the source.
        const PATH_RENAME_SOURCE = 1 << 16;
        /// `path_rename`, of the target.
        const PATH_RENAME_TARGET = 1 << 17;
        /// `path_filestat_get`.
        const PATH_FILESTAT_GET = 1 << 18;
        /// `path_open` with TRUNC.
        const PATH_FILESTAT_SET_SIZE = 1 << 19;
        /// `path_filestat_set_times`.
        const PATH_FILESTAT_SET_TIMES = 1 << 20;
        /// `fd_filestat_get`.
        const FD_FILESTAT_GET = 1 << 21;
        /// `fd_filestat_set_size`.
        const FD_FILESTAT_SET_SIZE = 1 << 22;
        /// `fd_filestat_set_times`.
        const FD_FILESTAT_SET_TIMES = 1 << 23;
        /// `path_symlink`.
        const PATH_SYMLINK = 1 << 24;
        /// `path_remove_directory`.
        const PATH_REMOVE_DIRECTORY = 1 << 25;
        /// `path_unlink_file`.
        const PATH_UNLINK_FILE = 1 << 26;
        /// `poll_oneoff` on the descriptor.
        const POLL_FD_READWRITE = 1 << 27;
        /// `sock_shutdown`.
        const SOCK_SHUTDOWN = 1 << 28;
        /// `sock_accept`.
        const SOCK_ACCEPT = 1 << 29;
    }

    /// Flags of a descriptor.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Fdflags: u16 {
        /// Writes go to the end.
        const APPEND = 1 << 0;
        /// Writes wait for the data to be on the device.
        const DSYNC = 1 << 1;
        /// Calls that would wait answer EAGAIN.
        const NONBLOCK = 1 << 2;
        /// Reads wait for pending writes.
        const RSYNC = 1 << 3;
        /// Writes wait for data and metadata.
        const SYNC = 1 << 4;
    }

    /// The manner of opening in `path_open`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Oflags: u16 {
        /// Create the file if it is not there.
        const CREAT = 1 << 0;
        /// Fail if it is not a directory.
        const DIRECTORY = 1 << 1;
        /// With CREAT: fail if it is there.
        const EXCL = 1 << 2;
        /// Cut the file to no length.
        const TRUNC = 1 << 3;
    }

    /// The manner of looking a path up.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Lookupflags: u32 {
        /// A symbolic link at the end of the path is followed.
        const SYMLINK_FOLLOW = 1 << 0;
    }

    /// The times that are set, and their sources.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Fstflags: u16 {
        /// The access time, to the given one.
        const ATIM = 1 << 0;
        /// The access time, to now.
        const ATIM_NOW = 1 << 1;
        /// The modification time, to the given one.
        const MTIM = 1 << 2;
        /// The modification time, to now.
        const MTIM_NOW = 1 << 3;
    }

    /// Flags of a clock's subscription.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Subclockflags: u16 {
        /// The timeout is a point in time, not a distance.
        const ABSTIME = 1 << 0;
    }

    /// Flags of a descriptor's event.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Eventrwflags: u16 {
        /// The other end is gone.
        const FD_READWRITE_HANGUP = 1 << 0;
    }

    /// Flags of `sock_recv`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Riflags: u16 {
        /// The data stays in the queue.
        const RECV_PEEK = 1 << 0;
        /// Wait until the buffers are full.
        const RECV_WAITALL = 1 << 1;
    }

    /// The report of `sock_recv`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Roflags: u16 {
        /// The message was longer than the buffers.
        const RECV_DATA_TRUNCATED = 1 << 0;
    }

    /// Flags of `sock_send`: none is defined.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Siflags: u16 {}

    /// The directions that `sock_shutdown` ends.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Sdflags: u8 {
        /// No more is received.
        const RD = 1 << 0;
        /// No more is sent.
        const WR = 1 << 1;
    }
}

impl Rights {
    /// The rights that make sense on a directory.
    pub const DIRECTORY: Self = Self::FD_DATASYNC
        .union(Self::FD_FDSTAT_SET_FLAGS)
        .union(Self::FD_SYNC)
        .union(Self::FD_ADVISE)
        .union(Self::PATH_CREATE_DIRECTORY)
        .union(Self::PATH_CREATE_FILE)
        .union(Self::PATH_LINK_SOURCE)
        .union(Self::PATH_LINK_TARGET)
        .union(Self::PATH_OPEN)
        .union(Self::FD_READDIR)
        .union(Self::PATH_READLINK)
        .union(Self::PATH_RENAME_SOURCE)
        .union(Self::PATH_RENAME_TARGET)
        .union(Self::PATH_FILESTAT_GET)
        .union(Self::PATH_FILESTAT_SET_SIZE)
        .union(Self::PATH_FILESTAT_SET_TIMES)
        .union(Self::FD_FILESTAT_GET)
        .union(Self::FD_FILESTAT_SET_TIMES)
        .union(Self::PATH_SYMLINK)
        .union(Self::PATH_REMOVE_DIRECTORY)
        .union(Self::PATH_UNLINK_FILE)
        .union(Self::POLL_FD_READWRITE);

    /// The rights that make sense on a file or stream.
    pub const FILE: Self = Self::FD_DATASYNC
        .union(Self::FD_READ)
        .union(Self::FD_SEEK)
        .union(Self::FD_FDSTAT_SET_FLAGS)
        .union(Self::FD_SYNC)
        .union(Self::FD_TELL)
        .union(Self::FD_WRITE)
        .union(Self::FD_ADVISE)
        .union(Self::FD_ALLOCATE)
        .union(Self::FD_FILESTAT_GET)
        .union(Self::FD_FILESTAT_SET_SIZE)
        .union(Self::FD_FILESTAT_SET_TIMES)
        .union(Self::POLL_FD_READWRITE)
        .union(Self::SOCK_SHUTDOWN)
        .union(Self::SOCK_ACCEPT);

    /// Through which something changes, beyond what `path_open` decides: of a directory that is for reading
    /// only, a guest has all others.
    pub const CHANGING: Self = Self::CHANGING_BY_PATH
        .union(Self::FD_WRITE)
        .union(Self::FD_ALLOCATE)
        .union(Self::FD_FILESTAT_SET_SIZE)
        .union(Self::FD_FILESTAT_SET_TIMES);

    /// Those of them that need a directory, beneath which something changes.
    pub const CHANGING_BY_PATH: Self = Self::PATH_CREATE_DIRECTORY
        .union(Self::PATH_LINK_SOURCE)
        .union(Self::PATH_LINK_TARGET)
        .union(Self::PATH_RENAME_SOURCE)
        .union(Self::PATH_RENAME_TARGET)
        .union(Self::PATH_FILESTAT_SET_TIMES)
        .union(Self::PATH_SYMLINK)
        .union(Self::PATH_REMOVE_DIRECTORY)
        .union(Self::PATH_UNLINK_FILE);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_enumeration_refuses_numbers_outside_its_list() {
        assert_eq!(Whence::from_number(2), Ok(Whence::End));
        assert_eq!(Whence::from_number(3), Err(Errno::Inval));
        assert_eq!(Clockid::from_number(u32::MAX), Err(Errno::Inval));
        assert_eq!(Filetype::SymbolicLink.number(), 7);
    }

    #[test]
    fn every_right_has_a_bit_of_its_own() {
        assert_eq!(Rights::all().bits(), (1 << 30) - 1);
    }
}
