//! The records that cross the guest's memory: offset, field and type in one list; sizes and alignment are
//! checked when this compiles. Little-endian, as WebAssembly is.

/// A number that stands in a record or by itself.
pub trait Field: Copy {
    /// Bytes it takes.
    const SIZE: usize;
    /// Reads it from the start of `bytes`, which holds at least [`Self::SIZE`].
    fn get(bytes: &[u8]) -> Self;
    /// Writes it to the start of `bytes`, which holds at least [`Self::SIZE`].
    fn put(self, bytes: &mut [u8]);
}

macro_rules! fields {
    ($($type:ident)*) => {$(
        impl Field for $type {
            const SIZE: usize = size_of::<Self>();
            fn get(bytes: &[u8]) -> Self {
                bytes.first_chunk().map_or(0, |chunk| Self::from_le_bytes(*chunk))
            }
            fn put(self, bytes: &mut [u8]) {
                if let Some(chunk) = bytes.first_chunk_mut() {
                    *chunk = self.to_le_bytes();
                }
            }
        }

        impl Record for $type {
            const NAME: &'static str = stringify!($type);
            const SIZE: usize = size_of::<Self>();
            type Bytes = [u8; size_of::<Self>()];
            const ZERO: Self::Bytes = [0; size_of::<Self>()];
            fn decode(bytes: &Self::Bytes) -> Self {
                Self::from_le_bytes(*bytes)
            }
            fn encode(&self) -> Self::Bytes {
                self.to_le_bytes()
            }
        }
    )*};
}

fields! { u8 u16 u32 u64 }

/// Something of a fixed size in the guest's memory.
pub trait Record: Sized {
    /// The name of its type.
    const NAME: &'static str;
    /// Bytes it takes.
    const SIZE: usize;
    /// An array of that size.
    type Bytes: AsRef<[u8]> + AsMut<[u8]>;
    /// The array, empty.
    const ZERO: Self::Bytes;
    /// Reads it.
    fn decode(bytes: &Self::Bytes) -> Self;
    /// Writes it; padding is 0.
    fn encode(&self) -> Self::Bytes;
}

macro_rules! records {
    ($($(#[$doc:meta])* $name:ident: $size:literal {
        $($(#[$field_doc:meta])* $offset:literal $field:ident: $type:ident,)*
    })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }

        impl Record for $name {
            const NAME: &'static str = stringify!($name);
            const SIZE: usize = $size;
            type Bytes = [u8; $size];
            const ZERO: Self::Bytes = [0; $size];

            fn decode(bytes: &Self::Bytes) -> Self {
                Self { $($field: <$type as Field>::get(bytes.split_at($offset).1),)* }
            }

            fn encode(&self) -> Self::Bytes {
                let mut bytes = Self::ZERO;
                $(self.$field.put(bytes.split_at_mut($offset).1);)*
                bytes
            }
        }

        const _: () = {
            let mut end = 0;
            $(
                assert!($offset >= end, "fields overlap or stand out of order");
                assert!(usize::is_multiple_of($offset, <$type as Field>::SIZE), "a field is not aligned");
                end = $offset + <$type as Field>::SIZE;
            )*
            assert!(end <= $size, "a field stands outside the record");
        };
    )*};
}

records! {
    /// A stretch of the guest's memory (`iovec`, `ciovec`).
    Iovec: 8 {
        /// The address of its first byte.
        0 buf: u32,
        /// Bytes.
        4 buf_len: u32,
    }

    /// The answer of `fd_prestat_get`.
    Prestat: 8 {
        /// 0, a directory: nothing else is defined.
        0 tag: u8,
        /// Bytes of the directory's name.
        4 name_len: u32,
    }

    /// The answer of `fd_fdstat_get`.
    Fdstat: 24 {
        /// A [`Filetype`](super::flags::Filetype).
        0 filetype: u8,
        /// [`Fdflags`](super::flags::Fdflags).
        2 flags: u16,
        /// [`Rights`](super::flags::Rights) of the descriptor.
        8 rights_base: u64,
        /// Rights of descriptors that are opened through it.
        16 rights_inheriting: u64,
    }

    /// The answer of the `filestat_get` calls.
    Filestat: 64 {
        /// Device.
        0 dev: u64,
        /// Serial number of the file.
        8 ino: u64,
        /// A [`Filetype`](super::flags::Filetype).
        16 filetype: u8,
        /// Hard links.
        24 nlink: u64,
        /// Bytes; of a link, the length of its target.
        32 size: u64,
        /// Last access, nanoseconds since 1970.
        40 atim: u64,
        /// Last modification of the data.
        48 mtim: u64,
        /// Last change of the status.
        56 ctim: u64,
    }

    /// [`Filestat`] in snapshot 0, where the number of links is 32 bits.
    FilestatUnstable: 56 {
        /// Device.
        0 dev: u64,
        /// Serial number of the file.
        8 ino: u64,
        /// A [`Filetype`](super::flags::Filetype).
        16 filetype: u8,
        /// Hard links.
        20 nlink: u32,
        /// Bytes.
        24 size: u64,
        /// Last access.
        32 atim: u64,
        /// Last modification of the data.
        40 mtim: u64,
        /// Last change of the status.
        48 ctim: u64,
    }

    /// The head of a directory entry; its name follows.
    Dirent: 24 {
        /// The cookie of the next entry.
        0 d_next: u64,
        /// Serial number of the file.
        8 d_ino: u64,
        /// Bytes of the name.
        16 d_namlen: u32,
        /// A [`Filetype`](super::flags::Filetype).
        20 d_type: u8,
    }

    /// A subscription of `poll_oneoff` to a clock; to a descriptor it has the same start, [`SubscriptionFd`].
    SubscriptionClock: 48 {
        /// Comes back in the event.
        0 userdata: u64,
        /// An [`Eventtype`](super::flags::Eventtype).
        8 tag: u8,
        /// A [`Clockid`](super::flags::Clockid).
        16 id: u32,
        /// Nanoseconds.
        24 timeout: u64,
        /// Nanoseconds by which the event may be late.
        32 precision: u64,
        /// [`Subclockflags`](super::flags::Subclockflags).
        40 flags: u16,
    }

    /// A subscription to a descriptor, in both editions of the ABI.
    SubscriptionFd: 48 {
        /// Comes back in the event.
        0 userdata: u64,
        /// An [`Eventtype`](super::flags::Eventtype).
        8 tag: u8,
        /// The descriptor.
        16 file_descriptor: u32,
    }

    /// A subscription to a clock in snapshot 0, which has an identifier first.
    SubscriptionClockUnstable: 56 {
        /// Comes back in the event.
        0 userdata: u64,
        /// An [`Eventtype`](super::flags::Eventtype).
        8 tag: u8,
        /// The user's own number; nothing depends on it.
        16 identifier: u64,
        /// A [`Clockid`](super::flags::Clockid).
        24 id: u32,
        /// Nanoseconds.
        32 timeout: u64,
        /// Nanoseconds by which the event may be late.
        40 precision: u64,
        /// [`Subclockflags`](super::flags::Subclockflags).
        48 flags: u16,
    }

    /// The report of `poll_oneoff`.
    Event: 32 {
        /// The subscription's.
        0 userdata: u64,
        /// An [`Errno`](super::Errno).
        8 error: u16,
        /// An [`Eventtype`](super::flags::Eventtype).
        10 r#type: u8,
        /// Bytes that can be read or written.
        16 nbytes: u64,
        /// [`Eventrwflags`](super::flags::Eventrwflags).
        24 flags: u16,
    }
}

impl From<Filestat> for FilestatUnstable {
    fn from(stat: Filestat) -> Self {
        Self {
            dev: stat.dev,
            ino: stat.ino,
            filetype: stat.filetype,
            nlink: u32::try_from(stat.nlink).unwrap_or(u32::MAX),
            size: stat.size,
            atim: stat.atim,
            mtim: stat.mtim,
            ctim: stat.ctim,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_what_it_wrote_and_leaves_padding_0() {
        let event = Event { userdata: u64::MAX, error: 0x0102, r#type: 2, nbytes: 7, flags: 1 };
        let bytes = event.encode();
        assert_eq!(Event::decode(&bytes), event);
        assert_eq!(&bytes[8..12], &[2, 1, 2, 0]);
        assert!(bytes[26..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn snapshot_0_counts_at_most_32_bits_of_links() {
        let stat = Filestat { dev: 1, ino: 2, filetype: 4, nlink: 1 << 40, size: 3, atim: 4, mtim: 5, ctim: 6 };
        assert_eq!(FilestatUnstable::from(stat).nlink, u32::MAX);
        assert_eq!(FilestatUnstable::from(stat).encode()[20..24], [0xff; 4]);
    }
}
