// Made from the list in crates/core/src/syscalls/mod.rs; do not edit by hand.
// (UPDATE_DOCS=1 cargo test -p wasi-rs-core --test list)

/** The functions of `wasi_snapshot_preview1`. Each returns an errno, but for `proc_exit`. */
export type SystemCalls = {
  /**
   * Writes the command line's arguments: their addresses to `argv`, their bytes to `argv_buf`.
   */
  args_get: (argv: number, argv_buf: number) => number;
  /**
   * Tells how many arguments there are and how many bytes they take.
   */
  args_sizes_get: (argc: number, argv_buf_size: number) => number;
  /**
   * Writes the environment's `NAME=value` strings: their addresses to `environ`, their bytes to
   * `environ_buf`.
   */
  environ_get: (environ: number, environ_buf: number) => number;
  /**
   * Tells how many variables there are and how many bytes they take.
   */
  environ_sizes_get: (environc: number, environ_buf_size: number) => number;
  /**
   * Tells a clock's resolution in nanoseconds.
   */
  clock_res_get: (id: number, resolution: number) => number;
  /**
   * Tells what a clock shows, in nanoseconds.
   */
  clock_time_get: (id: number, precision: bigint, time: number) => number;
  /**
   * Tells the host how a stretch of a file will be used.
   */
  fd_advise: (fd: number, offset: bigint, len: bigint, advice: number) => number;
  /**
   * Makes room in a file, extending it if need be.
   */
  fd_allocate: (fd: number, offset: bigint, len: bigint) => number;
  /**
   * Closes a descriptor.
   */
  fd_close: (fd: number) => number;
  /**
   * Waits until a file's data is on the device.
   */
  fd_datasync: (fd: number) => number;
  /**
   * Tells a descriptor's type, flags and rights.
   */
  fd_fdstat_get: (fd: number, stat: number) => number;
  /**
   * Sets a descriptor's flags.
   */
  fd_fdstat_set_flags: (fd: number, flags: number) => number;
  /**
   * Drops rights of a descriptor.
   */
  fd_fdstat_set_rights: (fd: number, fs_rights_base: bigint, fs_rights_inheriting: bigint) => number;
  /**
   * Tells the attributes of an open file.
   */
  fd_filestat_get: (fd: number, buf: number) => number;
  /**
   * Cuts or extends an open file.
   */
  fd_filestat_set_size: (fd: number, size: bigint) => number;
  /**
   * Sets the times of an open file.
   */
  fd_filestat_set_times: (fd: number, atim: bigint, mtim: bigint, fst_flags: number) => number;
  /**
   * Reads at an offset; the descriptor's own stays.
   */
  fd_pread: (fd: number, iovs: number, iovs_len: number, offset: bigint, nread: number) => number;
  /**
   * Tells about a directory the guest was started with.
   */
  fd_prestat_get: (fd: number, buf: number) => number;
  /**
   * Writes the name of such a directory.
   */
  fd_prestat_dir_name: (fd: number, path: number, path_len: number) => number;
  /**
   * Writes at an offset; the descriptor's own stays.
   */
  fd_pwrite: (fd: number, iovs: number, iovs_len: number, offset: bigint, nwritten: number) => number;
  /**
   * Reads.
   */
  fd_read: (fd: number, iovs: number, iovs_len: number, nread: number) => number;
  /**
   * Lists a directory from `cookie` on, as far as the buffer goes; the last entry may be cut.
   */
  fd_readdir: (fd: number, buf: number, buf_len: number, cookie: bigint, bufused: number) => number;
  /**
   * Moves a descriptor to another number, closing what that was.
   */
  fd_renumber: (fd: number, to: number) => number;
  /**
   * Moves a descriptor's offset.
   */
  fd_seek: (fd: number, offset: bigint, whence: number, newoffset: number) => number;
  /**
   * Waits until a file's data and metadata are on the device.
   */
  fd_sync: (fd: number) => number;
  /**
   * Tells a descriptor's offset.
   */
  fd_tell: (fd: number, offset: number) => number;
  /**
   * Writes.
   */
  fd_write: (fd: number, iovs: number, iovs_len: number, nwritten: number) => number;
  /**
   * Creates a directory.
   */
  path_create_directory: (fd: number, path: number, path_len: number) => number;
  /**
   * Tells the attributes of a file.
   */
  path_filestat_get: (fd: number, flags: number, path: number, path_len: number, buf: number) => number;
  /**
   * Sets the times of a file.
   */
  path_filestat_set_times: (fd: number, flags: number, path: number, path_len: number, atim: bigint, mtim: bigint, fst_flags: number) => number;
  /**
   * Gives a file another name.
   */
  path_link: (old_fd: number, old_flags: number, old_path: number, old_path_len: number, new_fd: number, new_path: number, new_path_len: number) => number;
  /**
   * Opens a file or directory.
   */
  path_open: (fd: number, dirflags: number, path: number, path_len: number, oflags: number, fs_rights_base: bigint, fs_rights_inheriting: bigint, fdflags: number, opened_fd: number) => number;
  /**
   * Writes a link's target, cut to the buffer.
   */
  path_readlink: (fd: number, path: number, path_len: number, buf: number, buf_len: number, bufused: number) => number;
  /**
   * Removes an empty directory.
   */
  path_remove_directory: (fd: number, path: number, path_len: number) => number;
  /**
   * Renames a file or directory.
   */
  path_rename: (fd: number, old_path: number, old_path_len: number, new_fd: number, new_path: number, new_path_len: number) => number;
  /**
   * Creates a symbolic link.
   */
  path_symlink: (old_path: number, old_path_len: number, fd: number, new_path: number, new_path_len: number) => number;
  /**
   * Removes a file's name.
   */
  path_unlink_file: (fd: number, path: number, path_len: number) => number;
  /**
   * Waits for one or more of several things.
   */
  poll_oneoff: (in_: number, out: number, nsubscriptions: number, nevents: number) => number;
  /**
   * Ends the guest.
   */
  proc_exit: (rval: number) => void;
  /**
   * Sends the guest a signal: ENOTSUP, nothing a guest does signals the host.
   */
  proc_raise: (sig: number) => number;
  /**
   * Lets others run: in V8, a guest whose memory no thread shares goes to the kernel with the first call
   * and each eighth after it.
   */
  sched_yield: () => number;
  /**
   * Writes random bytes.
   */
  random_get: (buf: number, buf_len: number) => number;
  /**
   * Accepts a connection.
   */
  sock_accept: (fd: number, flags: number, result: number) => number;
  /**
   * Receives from a socket.
   */
  sock_recv: (fd: number, ri_data: number, ri_data_len: number, ri_flags: number, ro_datalen: number, ro_flags: number) => number;
  /**
   * Sends to a socket.
   */
  sock_send: (fd: number, si_data: number, si_data_len: number, si_flags: number, so_datalen: number) => number;
  /**
   * Ends one direction of a socket, or both.
   */
  sock_shutdown: (fd: number, how: number) => number;
};
