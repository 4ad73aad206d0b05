use crate::abi::Errno;
use windows_sys::Win32::Foundation as os;
use windows_sys::Win32::Networking::WinSock::WSAENOTSOCK;

/// The name of what `GetLastError` said, by what the same failure is called elsewhere.
pub fn from_code(code: i32) -> Errno {
    if code == WSAENOTSOCK {
        return Errno::Notsock;
    }
    match code.cast_unsigned() {
        os::ERROR_ACCESS_DENIED | os::ERROR_CANNOT_MAKE | os::ERROR_DELETE_PENDING | os::ERROR_NOACCESS => Errno::Acces,
        os::ERROR_ALREADY_EXISTS | os::ERROR_FILE_EXISTS => Errno::Exist,
        os::ERROR_BROKEN_PIPE | os::ERROR_NO_DATA | os::ERROR_BAD_PIPE | os::ERROR_PIPE_NOT_CONNECTED => Errno::Pipe,
        os::ERROR_BUFFER_OVERFLOW | os::ERROR_FILENAME_EXCED_RANGE => Errno::Nametoolong,
        os::ERROR_BUSY | os::ERROR_LOCK_VIOLATION | os::ERROR_PIPE_BUSY | os::ERROR_SHARING_VIOLATION => Errno::Busy,
        os::ERROR_CANT_RESOLVE_FILENAME | os::ERROR_STOPPED_ON_SYMLINK | os::ERROR_TOO_MANY_LINKS => Errno::Loop,
        os::ERROR_CRC | os::ERROR_IO_DEVICE | os::ERROR_GEN_FAILURE => Errno::Io,
        os::ERROR_DIR_NOT_EMPTY => Errno::Notempty,
        os::ERROR_DIRECTORY => Errno::Notdir,
        os::ERROR_DIRECTORY_NOT_SUPPORTED => Errno::Isdir,
        os::ERROR_DISK_FULL | os::ERROR_HANDLE_DISK_FULL => Errno::Nospc,
        os::ERROR_DISK_QUOTA_EXCEEDED => Errno::Dquot,
        os::ERROR_FILE_NOT_FOUND | os::ERROR_PATH_NOT_FOUND | os::ERROR_INVALID_DRIVE | os::ERROR_BAD_NETPATH => {
            Errno::Noent
        }
        os::ERROR_FILE_TOO_LARGE => Errno::Fbig,
        os::ERROR_INVALID_HANDLE => Errno::Badf,
        os::ERROR_INVALID_NAME
        | os::ERROR_INVALID_PARAMETER
        | os::ERROR_INVALID_FUNCTION
        | os::ERROR_NEGATIVE_SEEK
        | os::ERROR_NOT_A_REPARSE_POINT => Errno::Inval,
        os::ERROR_NOT_ENOUGH_MEMORY | os::ERROR_OUTOFMEMORY | os::ERROR_COMMITMENT_LIMIT => Errno::Nomem,
        os::ERROR_NOT_SAME_DEVICE => Errno::Xdev,
        os::ERROR_NOT_SUPPORTED | os::ERROR_CALL_NOT_IMPLEMENTED => Errno::Notsup,
        os::ERROR_NO_SYSTEM_RESOURCES => Errno::Nobufs,
        os::ERROR_NO_UNICODE_TRANSLATION => Errno::Ilseq,
        os::ERROR_OPERATION_ABORTED => Errno::Canceled,
        os::ERROR_PRIVILEGE_NOT_HELD => Errno::Perm,
        os::ERROR_SEEK | os::ERROR_SEEK_ON_DEVICE => Errno::Spipe,
        os::ERROR_SEM_TIMEOUT | os::WAIT_TIMEOUT => Errno::Timedout,
        os::ERROR_TOO_MANY_OPEN_FILES => Errno::Mfile,
        os::ERROR_WRITE_PROTECT => Errno::Rofs,
        _ => Errno::Io,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_os_have_the_names_they_have_elsewhere() {
        for (os, errno) in [
            (os::ERROR_FILE_NOT_FOUND, Errno::Noent),
            (os::ERROR_STOPPED_ON_SYMLINK, Errno::Loop),
            (os::ERROR_NO_DATA, Errno::Pipe),
            (os::ERROR_PRIVILEGE_NOT_HELD, Errno::Perm),
            (os::ERROR_ACCESS_DENIED, Errno::Acces),
        ] {
            assert_eq!(from_code(os.cast_signed()), errno);
        }
        assert_eq!(from_code(WSAENOTSOCK), Errno::Notsock);
    }
}
