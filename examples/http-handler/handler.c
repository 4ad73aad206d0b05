// Answers each request with its path. README.md says how handler.wasm is made of it.

#include "gen/handler.h"

// Memory that nobody frees: an instance answers one request.
extern uint8_t __heap_base;
static uint8_t *heap_at = &__heap_base;

void *malloc(size_t size) {
  uint8_t *start = (uint8_t *)(((size_t)heap_at + 15) & ~(size_t)15);
  heap_at = start + size;
  size_t pages = ((size_t)heap_at + 65535) >> 16;
  if (pages > __builtin_wasm_memory_size(0)) __builtin_wasm_memory_grow(0, pages - __builtin_wasm_memory_size(0));
  return start;
}

void *memcpy(void *restrict to, const void *restrict from, size_t size) {
  for (size_t i = 0; i < size; i++) ((uint8_t *)to)[i] = ((const uint8_t *)from)[i];
  return to;
}

void *realloc(void *old, size_t size) {
  void *fresh = malloc(size);
  if (old) memcpy(fresh, old, size);
  return fresh;
}

size_t strlen(const char *text) {
  size_t length = 0;
  while (text[length]) length++;
  return length;
}

void free(void *memory) { (void)memory; }
void abort(void) { __builtin_trap(); }

static void write(wasi_io_streams_borrow_output_stream_t stream, const char *bytes, size_t length) {
  handler_list_u8_t list = {(uint8_t *)bytes, length};
  wasi_io_streams_stream_error_t error;
  wasi_io_streams_method_output_stream_blocking_write_and_flush(stream, &list, &error);
}

void exports_wasi_http_incoming_handler_handle(exports_wasi_http_incoming_handler_own_incoming_request_t request,
                                               exports_wasi_http_incoming_handler_own_response_outparam_t out) {
  handler_string_t path = {0};
  wasi_http_types_method_incoming_request_path_with_query(wasi_http_types_borrow_incoming_request(request), &path);

  wasi_http_types_own_outgoing_response_t response =
      wasi_http_types_constructor_outgoing_response(wasi_http_types_constructor_fields());
  wasi_http_types_own_outgoing_body_t body;
  wasi_http_types_method_outgoing_response_body(wasi_http_types_borrow_outgoing_response(response), &body);
  wasi_http_types_result_own_outgoing_response_error_code_t ok = {.is_err = false, .val.ok = response};
  wasi_http_types_static_response_outparam_set(out, &ok);

  wasi_http_types_own_output_stream_t stream;
  wasi_http_types_method_outgoing_body_write(wasi_http_types_borrow_outgoing_body(body), &stream);
  wasi_io_streams_borrow_output_stream_t to = wasi_io_streams_borrow_output_stream(stream);
  write(to, "hello from ", 11);
  write(to, (const char *)path.ptr, path.len);
  write(to, "\n", 1);
  wasi_io_streams_output_stream_drop_own(stream);
  wasi_http_types_error_code_t code;
  wasi_http_types_static_outgoing_body_finish(body, NULL, &code);
}
