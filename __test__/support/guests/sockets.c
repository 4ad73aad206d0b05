// wasi:sockets for the tests: each export makes one call, with the numbers of resources as they are, so that a
// test in JavaScript says what happens. As a command it connects to a host and a port, its arguments, sends
// "hello", and writes what it gets.
//
// sockets.wasm was made by wit-bindgen 0.63, zig 0.17 and wasm-tools 1.262, with crates/components/wit/deps
// beside sockets.wit in the folder wit, and declarations of malloc(), memcpy() and their like in include/:
//   wit-bindgen c wit --world guest --out-dir gen
//   zig cc -target wasm32-freestanding -Os -nostdlib -Iinclude -Wl,--no-entry sockets.c gen/guest.c
//     gen/guest_component_type.o -o core.wasm
//   wasm-tools component new core.wasm | wasm-tools strip -a -o sockets.wasm

#include "gen/guest.h"

#include <stdlib.h>
#include <string.h>

// Memory, which nobody frees.
static uint8_t *heap_at;
extern uint8_t __heap_base;

void *malloc(size_t size) {
  if (!heap_at) heap_at = &__heap_base;
  uint8_t *start = (uint8_t *)(((size_t)heap_at + 15) & ~(size_t)15);
  heap_at = start + size;
  size_t pages = ((size_t)heap_at + 65535) >> 16;
  if (pages > __builtin_wasm_memory_size(0) &&
      __builtin_wasm_memory_grow(0, pages - __builtin_wasm_memory_size(0)) == (size_t)-1)
    __builtin_trap();
  return start;
}

void *memcpy(void *restrict to, const void *restrict from, size_t size) {
  for (size_t i = 0; i < size; i++) ((uint8_t *)to)[i] = ((const uint8_t *)from)[i];
  return to;
}

void *realloc(void *old, size_t size) {
  void *made = malloc(size);
  // Whatever lies behind the old block is in memory too.
  return old ? memcpy(made, old, size) : made;
}

void free(void *at) { (void)at; }

void abort(void) { __builtin_trap(); }

size_t strlen(const char *text) {
  size_t length = 0;
  while (text[length]) length++;
  return length;
}

typedef guest_error_code_t Code;
typedef guest_ip_socket_address_t Address;
typedef wasi_sockets_tcp_borrow_tcp_socket_t Tcp;
typedef wasi_sockets_udp_borrow_udp_socket_t Udp;
typedef wasi_io_streams_stream_error_t StreamError;

static wasi_sockets_network_borrow_network_t network(void) {
  static wasi_sockets_instance_network_own_network_t own;
  static bool is_known;
  if (!is_known) own = wasi_sockets_instance_network_instance_network();
  is_known = true;
  return wasi_sockets_network_borrow_network(own);
}

bool exports_guest_tcp_open(guest_ip_address_family_t family, uint32_t *ret, Code *err) {
  return wasi_sockets_tcp_create_socket_create_tcp_socket(
      family, (wasi_sockets_tcp_create_socket_own_tcp_socket_t *)ret, err);
}

#define TCP ((Tcp){(int32_t)socket})
#define CALL(name, ...) return wasi_sockets_tcp_method_tcp_socket_##name(TCP, ##__VA_ARGS__)

bool exports_guest_tcp_start_bind(uint32_t socket, Address *at, Code *err) { CALL(start_bind, network(), at, err); }
bool exports_guest_tcp_finish_bind(uint32_t socket, Code *err) { CALL(finish_bind, err); }
bool exports_guest_tcp_start_connect(uint32_t socket, Address *to, Code *err) {
  CALL(start_connect, network(), to, err);
}
bool exports_guest_tcp_finish_connect(uint32_t socket, guest_tuple2_u32_u32_t *ret, Code *err) {
  CALL(finish_connect, (void *)ret, err);
}
bool exports_guest_tcp_start_listen(uint32_t socket, Code *err) { CALL(start_listen, err); }
bool exports_guest_tcp_finish_listen(uint32_t socket, Code *err) { CALL(finish_listen, err); }
bool exports_guest_tcp_accept(uint32_t socket, guest_tuple3_u32_u32_u32_t *ret, Code *err) {
  CALL(accept, (void *)ret, err);
}
bool exports_guest_tcp_local(uint32_t socket, Address *ret, Code *err) { CALL(local_address, ret, err); }
bool exports_guest_tcp_remote(uint32_t socket, Address *ret, Code *err) { CALL(remote_address, ret, err); }
bool exports_guest_tcp_is_listening(uint32_t socket) { CALL(is_listening); }

bool exports_guest_tcp_get(uint32_t socket, uint32_t setting, uint64_t *ret, Code *err) {
  bool is_set;
  uint32_t count;
  uint8_t hops;
  bool done;
  switch (setting) {
    case 0:
      done = wasi_sockets_tcp_method_tcp_socket_keep_alive_enabled(TCP, &is_set, err);
      *ret = is_set;
      return done;
    case 1: CALL(keep_alive_idle_time, ret, err);
    case 2: CALL(keep_alive_interval, ret, err);
    case 3:
      done = wasi_sockets_tcp_method_tcp_socket_keep_alive_count(TCP, &count, err);
      *ret = count;
      return done;
    case 4:
      done = wasi_sockets_tcp_method_tcp_socket_hop_limit(TCP, &hops, err);
      *ret = hops;
      return done;
    case 5: CALL(receive_buffer_size, ret, err);
    case 6: CALL(send_buffer_size, ret, err);
    default: __builtin_trap();
  }
}

bool exports_guest_tcp_set(uint32_t socket, uint32_t setting, uint64_t value, Code *err) {
  switch (setting) {
    case 0: CALL(set_keep_alive_enabled, value != 0, err);
    case 1: CALL(set_keep_alive_idle_time, value, err);
    case 2: CALL(set_keep_alive_interval, value, err);
    case 3: CALL(set_keep_alive_count, (uint32_t)value, err);
    case 4: CALL(set_hop_limit, (uint8_t)value, err);
    case 5: CALL(set_receive_buffer_size, value, err);
    case 6: CALL(set_send_buffer_size, value, err);
    case 7: CALL(set_listen_backlog_size, value, err);
    default: __builtin_trap();
  }
}

uint32_t exports_guest_tcp_subscribe(uint32_t socket) {
  return (uint32_t)wasi_sockets_tcp_method_tcp_socket_subscribe(TCP).__handle;
}
bool exports_guest_tcp_shutdown(uint32_t socket, guest_shutdown_type_t how, Code *err) { CALL(shutdown, how, err); }
void exports_guest_tcp_drop(uint32_t socket) {
  wasi_sockets_tcp_tcp_socket_drop_own((wasi_sockets_tcp_own_tcp_socket_t){(int32_t)socket});
}

#undef CALL
#define UDP ((Udp){(int32_t)socket})
#define CALL(name, ...) return wasi_sockets_udp_method_udp_socket_##name(UDP, ##__VA_ARGS__)

bool exports_guest_udp_open(guest_ip_address_family_t family, uint32_t *ret, Code *err) {
  return wasi_sockets_udp_create_socket_create_udp_socket(
      family, (wasi_sockets_udp_create_socket_own_udp_socket_t *)ret, err);
}
bool exports_guest_udp_start_bind(uint32_t socket, Address *at, Code *err) { CALL(start_bind, network(), at, err); }
bool exports_guest_udp_finish_bind(uint32_t socket, Code *err) { CALL(finish_bind, err); }
bool exports_guest_udp_stream(uint32_t socket, Address *remote, guest_tuple2_u32_u32_t *ret, Code *err) {
  CALL(stream, remote, (void *)ret, err);
}
bool exports_guest_udp_local(uint32_t socket, Address *ret, Code *err) { CALL(local_address, ret, err); }
bool exports_guest_udp_remote(uint32_t socket, Address *ret, Code *err) { CALL(remote_address, ret, err); }
void exports_guest_udp_drop(uint32_t socket) {
  wasi_sockets_udp_udp_socket_drop_own((wasi_sockets_udp_own_udp_socket_t){(int32_t)socket});
}

typedef wasi_sockets_udp_borrow_incoming_datagram_stream_t Incoming;
typedef wasi_sockets_udp_borrow_outgoing_datagram_stream_t Outgoing;

bool exports_guest_udp_receive(uint32_t incoming, uint64_t most, guest_list_incoming_datagram_t *ret, Code *err) {
  return wasi_sockets_udp_method_incoming_datagram_stream_receive((Incoming){(int32_t)incoming}, most, (void *)ret,
                                                                  err);
}
uint32_t exports_guest_udp_subscribe(uint32_t incoming) {
  Incoming stream = {(int32_t)incoming};
  return (uint32_t)wasi_sockets_udp_method_incoming_datagram_stream_subscribe(stream).__handle;
}
bool exports_guest_udp_check_send(uint32_t outgoing, uint64_t *ret, Code *err) {
  return wasi_sockets_udp_method_outgoing_datagram_stream_check_send((Outgoing){(int32_t)outgoing}, ret, err);
}
bool exports_guest_udp_send(uint32_t outgoing, guest_list_outgoing_datagram_t *datagrams, uint64_t *ret, Code *err) {
  return wasi_sockets_udp_method_outgoing_datagram_stream_send((Outgoing){(int32_t)outgoing}, (void *)datagrams, ret,
                                                               err);
}
void exports_guest_udp_drop_streams(uint32_t incoming, uint32_t outgoing) {
  wasi_sockets_udp_incoming_datagram_stream_drop_own(
      (wasi_sockets_udp_own_incoming_datagram_stream_t){(int32_t)incoming});
  wasi_sockets_udp_outgoing_datagram_stream_drop_own(
      (wasi_sockets_udp_own_outgoing_datagram_stream_t){(int32_t)outgoing});
}

typedef wasi_sockets_ip_name_lookup_borrow_resolve_address_stream_t Lookup;
typedef wasi_sockets_ip_name_lookup_own_resolve_address_stream_t OwnLookup;

bool exports_guest_lookup(guest_string_t *name, uint32_t *ret, Code *err) {
  return wasi_sockets_ip_name_lookup_resolve_addresses(network(), name, (OwnLookup *)ret, err);
}
bool exports_guest_lookup_next(uint32_t lookup, guest_option_ip_address_t *ret, Code *err) {
  return wasi_sockets_ip_name_lookup_method_resolve_address_stream_resolve_next_address((Lookup){(int32_t)lookup},
                                                                                        (void *)ret, err);
}
uint32_t exports_guest_lookup_subscribe(uint32_t lookup) {
  Lookup stream = {(int32_t)lookup};
  return (uint32_t)wasi_sockets_ip_name_lookup_method_resolve_address_stream_subscribe(stream).__handle;
}
void exports_guest_lookup_drop(uint32_t lookup) {
  wasi_sockets_ip_name_lookup_resolve_address_stream_drop_own((OwnLookup){(int32_t)lookup});
}

typedef wasi_io_poll_borrow_pollable_t Pollable;

bool exports_guest_ready(uint32_t pollable) {
  return wasi_io_poll_method_pollable_ready((Pollable){(int32_t)pollable});
}
void exports_guest_block(uint32_t pollable) { wasi_io_poll_method_pollable_block((Pollable){(int32_t)pollable}); }
void exports_guest_pollable_drop(uint32_t pollable) {
  wasi_io_poll_pollable_drop_own((wasi_io_poll_own_pollable_t){(int32_t)pollable});
}

/** True for a stream that is closed; the text of another error. */
static bool is_closed(StreamError *error, guest_string_t *text) {
  if (error->tag == WASI_IO_STREAMS_STREAM_ERROR_CLOSED) return true;
  wasi_io_error_method_error_to_debug_string(wasi_io_error_borrow_error(error->val.last_operation_failed), text);
  wasi_io_error_error_drop_own(error->val.last_operation_failed);
  return false;
}

bool exports_guest_read(uint32_t input, uint64_t most, guest_option_list_u8_t *ret, guest_string_t *err) {
  StreamError error;
  wasi_io_streams_borrow_input_stream_t stream = {(int32_t)input};
  ret->is_some = wasi_io_streams_method_input_stream_read(stream, most, &ret->val, &error);
  return ret->is_some || is_closed(&error, err);
}
uint32_t exports_guest_input_subscribe(uint32_t input) {
  wasi_io_streams_borrow_input_stream_t stream = {(int32_t)input};
  return (uint32_t)wasi_io_streams_method_input_stream_subscribe(stream).__handle;
}
bool exports_guest_write(uint32_t output, guest_list_u8_t *bytes, bool *ret, guest_string_t *err) {
  StreamError error;
  wasi_io_streams_borrow_output_stream_t stream = {(int32_t)output};
  for (size_t done = 0; done < bytes->len;) {
    size_t rest = bytes->len - done;
    guest_list_u8_t piece = {bytes->ptr + done, rest < 4096 ? rest : 4096};
    if (!wasi_io_streams_method_output_stream_blocking_write_and_flush(stream, &piece, &error)) {
      *ret = false;
      return is_closed(&error, err);
    }
    done += piece.len;
  }
  *ret = true;
  return true;
}
void exports_guest_drop_streams(uint32_t input, uint32_t output) {
  wasi_io_streams_input_stream_drop_own((wasi_io_streams_own_input_stream_t){(int32_t)input});
  wasi_io_streams_output_stream_drop_own((wasi_io_streams_own_output_stream_t){(int32_t)output});
}

static void wait_for(uint32_t pollable) {
  exports_guest_block(pollable);
  exports_guest_pollable_drop(pollable);
}

/** Connects to the first address of the name that takes the connection. */
static bool connect_to(guest_string_t *name, uint16_t port, uint32_t *socket, guest_tuple2_u32_u32_t *streams,
                       Code *code) {
  uint32_t lookup;
  if (!exports_guest_lookup(name, &lookup, code)) return false;
  wait_for(exports_guest_lookup_subscribe(lookup));
  guest_option_ip_address_t next;
  for (;;) {
    Code last;
    if (!exports_guest_lookup_next(lookup, &next, &last)) {
      *code = last;
      return false;
    }
    if (!next.is_some) return false;
    Address to = {next.val.tag, {{port, {0}}}};
    if (next.val.tag == WASI_SOCKETS_NETWORK_IP_ADDRESS_IPV4) {
      to.val.ipv4.address = next.val.val.ipv4;
    } else {
      to.val.ipv6 = (wasi_sockets_network_ipv6_socket_address_t){port, 0, next.val.val.ipv6, 0};
    }
    if (!exports_guest_tcp_open(next.val.tag, socket, code)) return false;
    if (exports_guest_tcp_start_connect(*socket, &to, code)) {
      wait_for(exports_guest_tcp_subscribe(*socket));
      if (exports_guest_tcp_finish_connect(*socket, streams, code)) return true;
    }
    exports_guest_tcp_drop(*socket);
  }
}

static void print(uint8_t *bytes, size_t length) {
  StreamError error;
  guest_list_u8_t list = {bytes, length};
  wasi_io_streams_own_output_stream_t out = wasi_cli_stdout_get_stdout();
  wasi_io_streams_method_output_stream_blocking_write_and_flush(wasi_io_streams_borrow_output_stream(out), &list,
                                                                &error);
  wasi_io_streams_output_stream_drop_own(out);
}

bool exports_wasi_cli_run_run(void) {
  guest_list_string_t args;
  wasi_cli_environment_get_arguments(&args);
  if (args.len != 3) return false;
  uint16_t port = 0;
  for (size_t i = 0; i < args.ptr[2].len; i++) port = (uint16_t)(port * 10 + args.ptr[2].ptr[i] - '0');
  uint32_t socket;
  guest_tuple2_u32_u32_t streams;
  Code code = 0;
  if (!connect_to(&args.ptr[1], port, &socket, &streams, &code)) {
    uint8_t text[] = "error 00\n";
    text[6] = (uint8_t)('0' + code / 10);
    text[7] = (uint8_t)('0' + code % 10);
    print(text, sizeof text - 1);
    return false;
  }
  guest_list_u8_t hello = {(uint8_t *)"hello", 5};
  bool is_open;
  guest_string_t text;
  if (!exports_guest_write(streams.f1, &hello, &is_open, &text)) return false;
  if (!exports_guest_tcp_shutdown(socket, WASI_SOCKETS_TCP_SHUTDOWN_TYPE_SEND, &code)) return false;
  for (;;) {
    wait_for(exports_guest_input_subscribe(streams.f0));
    guest_option_list_u8_t read;
    if (!exports_guest_read(streams.f0, 4096, &read, &text)) return false;
    if (!read.is_some) break;
    print(read.val.ptr, read.val.len);
  }
  exports_guest_drop_streams(streams.f0, streams.f1);
  exports_guest_tcp_drop(socket);
  return true;
}
