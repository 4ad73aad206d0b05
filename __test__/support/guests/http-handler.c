// A handler of HTTP for the tests. The path says what it does.
//
// http-handler.wasm was made by wit-bindgen 0.63, zig 0.17 and wasm-tools 1.262, with crates/components/wit/deps
// beside http-handler.wit in the folder wit, and declarations of malloc(), memcpy() and their like in include/:
//   wit-bindgen c wit --world handler --out-dir gen
//   zig cc -target wasm32-freestanding -Os -nostdlib -Iinclude -Wl,--no-entry http-handler.c gen/handler.c
//     gen/handler_component_type.o -o core.wasm
//   wasm-tools component new core.wasm | wasm-tools strip -a -o http-handler.wasm

#include "gen/handler.h"

#define SHORT(name, of) typedef of name;
SHORT(Body, wasi_http_types_own_outgoing_body_t)
SHORT(Output, wasi_http_types_own_output_stream_t)
SHORT(Input, wasi_http_types_own_input_stream_t)
SHORT(Outparam, wasi_http_types_own_response_outparam_t)
SHORT(Fields, wasi_http_types_own_fields_t)
SHORT(Code, wasi_http_types_error_code_t)
SHORT(Request, wasi_http_types_own_incoming_request_t)

// Memory, which nobody frees: an instance answers one request.
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

void *memset(void *to, int byte, size_t size) {
  for (size_t i = 0; i < size; i++) ((uint8_t *)to)[i] = byte;
  return to;
}

size_t strlen(const char *text) {
  size_t length = 0;
  while (text[length]) length++;
  return length;
}

void *realloc(void *old, size_t size) {
  void *fresh = malloc(size);
  if (old) memcpy(fresh, old, size);
  return fresh;
}

void free(void *memory) { (void)memory; }
void abort(void) { __builtin_trap(); }

static handler_string_t text(const char *of) { return (handler_string_t){(uint8_t *)of, strlen(of)}; }

static bool begins(handler_string_t path, const char *with) {
  size_t length = strlen(with);
  if (path.len < length) return false;
  for (size_t i = 0; i < length; i++)
    if (path.ptr[i] != (uint8_t)with[i]) return false;
  return true;
}

static unsigned number(handler_string_t path, size_t from) {
  unsigned sum = 0;
  for (size_t i = from; i < path.len && path.ptr[i] >= '0' && path.ptr[i] <= '9'; i++)
    sum = sum * 10 + path.ptr[i] - '0';
  return sum;
}

static void set(Fields fields, const char *name, handler_string_t value) {
  handler_string_t key = text(name);
  wasi_http_types_field_value_t list = {value.ptr, value.len};
  wasi_http_types_header_error_t error;
  if (!wasi_http_types_method_fields_append(wasi_http_types_borrow_fields(fields), &key, &list, &error))
    __builtin_trap();
}

// The body of a response that is sent with this status and these fields.
static Body respond(Outparam to, unsigned status, Fields fields) {
  wasi_http_types_own_outgoing_response_t response = wasi_http_types_constructor_outgoing_response(fields);
  wasi_http_types_borrow_outgoing_response_t lent = wasi_http_types_borrow_outgoing_response(response);
  if (!wasi_http_types_method_outgoing_response_set_status_code(lent, status)) __builtin_trap();
  Body body;
  if (!wasi_http_types_method_outgoing_response_body(lent, &body)) __builtin_trap();
  wasi_http_types_result_own_outgoing_response_error_code_t result = {.is_err = false};
  result.val.ok = response;
  wasi_http_types_static_response_outparam_set(to, &result);
  return body;
}

static Output output(Body body) {
  Output stream;
  if (!wasi_http_types_method_outgoing_body_write(wasi_http_types_borrow_outgoing_body(body), &stream))
    __builtin_trap();
  return stream;
}

static bool put(Output stream, uint8_t *bytes, size_t length) {
  wasi_io_streams_stream_error_t error;
  while (length > 0) {
    size_t part = length < 4096 ? length : 4096;
    handler_list_u8_t piece = {bytes, part};
    if (!wasi_io_streams_method_output_stream_blocking_write_and_flush(wasi_io_streams_borrow_output_stream(stream),
                                                                       &piece, &error))
      return false;
    bytes += part;
    length -= part;
  }
  return true;
}

static void finish(Body body, Output stream, Fields *trailers) {
  wasi_io_streams_output_stream_drop_own(stream);
  Code error;
  wasi_http_types_static_outgoing_body_finish(body, trailers, &error);
}

static void say(Outparam to, unsigned status, handler_string_t what) {
  Body body = respond(to, status, wasi_http_types_constructor_fields());
  Output stream = output(body);
  put(stream, what.ptr, what.len);
  finish(body, stream, 0);
}

// Copies all that comes. False if it ended in an error.
static bool copy(Input from, Output to) {
  for (;;) {
    handler_list_u8_t piece;
    wasi_io_streams_stream_error_t error;
    if (!wasi_io_streams_method_input_stream_blocking_read(wasi_io_streams_borrow_input_stream(from), 65536, &piece,
                                                           &error))
      return error.tag == WASI_IO_STREAMS_STREAM_ERROR_CLOSED;
    if (!put(to, piece.ptr, piece.len)) return false;
    heap_at = piece.ptr; // the only thing that was taken since
  }
}

static Input input_of(wasi_http_types_own_incoming_body_t body) {
  Input stream;
  if (!wasi_http_types_method_incoming_body_stream(wasi_http_types_borrow_incoming_body(body), &stream))
    __builtin_trap();
  return stream;
}

static const char *const CODES[] = {
    "DNS-timeout", "DNS-error", "destination-not-found", "destination-unavailable", "destination-IP-prohibited",
    "destination-IP-unroutable", "connection-refused", "connection-terminated", "connection-timeout",
    "connection-read-timeout", "connection-write-timeout", "connection-limit-reached", "TLS-protocol-error",
    "TLS-certificate-error", "TLS-alert-received", "HTTP-request-denied", "HTTP-request-length-required",
    "HTTP-request-body-size", "HTTP-request-method-invalid", "HTTP-request-URI-invalid", "HTTP-request-URI-too-long",
    "HTTP-request-header-section-size", "HTTP-request-header-size", "HTTP-request-trailer-section-size",
    "HTTP-request-trailer-size", "HTTP-response-incomplete", "HTTP-response-header-section-size",
    "HTTP-response-header-size", "HTTP-response-body-size", "HTTP-response-trailer-section-size",
    "HTTP-response-trailer-size", "HTTP-response-transfer-coding", "HTTP-response-content-coding",
    "HTTP-response-timeout", "HTTP-upgrade-failed", "HTTP-protocol-error", "loop-detected", "configuration-error",
    "internal-error"};

static void say_code(Outparam to, Code error) {
  if (error.tag == WASI_HTTP_TYPES_ERROR_CODE_INTERNAL_ERROR && error.val.internal_error.is_some)
    return say(to, 502, error.val.internal_error.val);
  say(to, 502, text(CODES[error.tag]));
}

// Sends the request on to the authority in the field `to`, and its response back.
static void forward(Request request, Outparam to, handler_string_t path, unsigned first_byte) {
  wasi_http_types_borrow_incoming_request_t lent = wasi_http_types_borrow_incoming_request(request);
  Fields fields = wasi_http_types_method_incoming_request_headers(lent);
  handler_string_t name = text("to");
  wasi_http_types_list_field_value_t values;
  wasi_http_types_method_fields_get(wasi_http_types_borrow_fields(fields), &name, &values);
  if (values.len == 0) return say(to, 400, text("no field 'to'"));
  handler_string_t authority = {values.ptr[0].ptr, values.ptr[0].len};
  Fields copied = wasi_http_types_method_fields_clone(wasi_http_types_borrow_fields(fields));
  wasi_http_types_fields_drop_own(fields);
  wasi_http_types_own_outgoing_request_t outgoing = wasi_http_types_constructor_outgoing_request(copied);
  wasi_http_types_borrow_outgoing_request_t mine = wasi_http_types_borrow_outgoing_request(outgoing);
  wasi_http_types_method_t method;
  wasi_http_types_method_incoming_request_method(lent, &method);
  wasi_http_types_scheme_t scheme = {.tag = WASI_HTTP_TYPES_SCHEME_HTTP};
  if (!wasi_http_types_method_outgoing_request_set_method(mine, &method) ||
      !wasi_http_types_method_outgoing_request_set_scheme(mine, &scheme) ||
      !wasi_http_types_method_outgoing_request_set_authority(mine, &authority) ||
      !wasi_http_types_method_outgoing_request_set_path_with_query(mine, &path))
    return say(to, 400, text("a part of the request is wrong"));
  Body body;
  if (!wasi_http_types_method_outgoing_request_body(mine, &body)) __builtin_trap();
  wasi_http_types_own_request_options_t options = wasi_http_types_constructor_request_options();
  uint64_t time = first_byte * 1000000ull;
  if (first_byte)
    wasi_http_types_method_request_options_set_first_byte_timeout(wasi_http_types_borrow_request_options(options),
                                                                  &time);
  wasi_http_types_own_future_incoming_response_t future;
  Code error;
  if (!wasi_http_outgoing_handler_handle(outgoing, &options, &future, &error)) return say_code(to, error);
  wasi_http_types_own_incoming_body_t incoming;
  if (!wasi_http_types_method_incoming_request_consume(lent, &incoming)) __builtin_trap();
  Output stream = output(body);
  copy(input_of(incoming), stream);
  finish(body, stream, 0);
  wasi_io_poll_own_pollable_t ready = wasi_http_types_method_future_incoming_response_subscribe(
      wasi_http_types_borrow_future_incoming_response(future));
  wasi_io_poll_method_pollable_block(wasi_io_poll_borrow_pollable(ready));
  wasi_io_poll_pollable_drop_own(ready);
  wasi_http_types_result_result_own_incoming_response_error_code_void_t result;
  if (!wasi_http_types_method_future_incoming_response_get(wasi_http_types_borrow_future_incoming_response(future),
                                                           &result))
    return say(to, 500, text("a response was there, and is not"));
  if (result.is_err) __builtin_trap();
  if (result.val.ok.is_err) return say_code(to, result.val.ok.val.err);
  wasi_http_types_borrow_incoming_response_t response =
      wasi_http_types_borrow_incoming_response(result.val.ok.val.ok);
  unsigned status = wasi_http_types_method_incoming_response_status(response);
  Fields got = wasi_http_types_method_incoming_response_headers(response);
  if (!wasi_http_types_method_incoming_response_consume(response, &incoming)) __builtin_trap();
  Body answer = respond(to, status, wasi_http_types_method_fields_clone(wasi_http_types_borrow_fields(got)));
  Output out = output(answer);
  if (!copy(input_of(incoming), out)) {
    wasi_io_streams_output_stream_drop_own(out);
    wasi_http_types_outgoing_body_drop_own(answer); // it is not complete
    return;
  }
  finish(answer, out, 0);
}

static void echo(Request request, Outparam to, handler_string_t path) {
  wasi_http_types_borrow_incoming_request_t lent = wasi_http_types_borrow_incoming_request(request);
  Fields fields = wasi_http_types_constructor_fields();
  handler_string_t authority;
  if (wasi_http_types_method_incoming_request_authority(lent, &authority)) set(fields, "x-authority", authority);
  set(fields, "x-path", path);
  wasi_http_types_method_t method;
  wasi_http_types_method_incoming_request_method(lent, &method);
  set(fields, "x-method", text(method.tag == WASI_HTTP_TYPES_METHOD_POST ? "POST" : "another"));
  wasi_http_types_list_tuple2_field_name_field_value_t all;
  Fields given = wasi_http_types_method_incoming_request_headers(lent);
  wasi_http_types_method_fields_entries(wasi_http_types_borrow_fields(given), &all);
  for (size_t i = 0; i < all.len; i++) {
    if (!begins(all.ptr[i].f0, "x-")) continue;
    handler_string_t value = {all.ptr[i].f1.ptr, all.ptr[i].f1.len};
    set(fields, "x-got", value);
  }
  wasi_http_types_own_incoming_body_t incoming;
  if (!wasi_http_types_method_incoming_request_consume(lent, &incoming)) __builtin_trap();
  Input input = input_of(incoming);
  Body body = respond(to, 200, fields);
  Output stream = output(body);
  bool is_whole = copy(input, stream);
  wasi_io_streams_input_stream_drop_own(input);
  Fields trailers = wasi_http_types_constructor_fields();
  set(trailers, "x-end", text(is_whole ? "whole" : "cut off"));
  finish(body, stream, &trailers);
}

static unsigned count;

void exports_wasi_http_incoming_handler_handle(Request request, Outparam to) {
  handler_string_t path = text("");
  wasi_http_types_method_incoming_request_path_with_query(wasi_http_types_borrow_incoming_request(request), &path);
  count++;
  if (begins(path, "/echo")) return echo(request, to, path);
  if (begins(path, "/forward/")) return forward(request, to, (handler_string_t){path.ptr + 8, path.len - 8}, 0);
  if (begins(path, "/forward-soon/"))
    return forward(request, to, (handler_string_t){path.ptr + 13, path.len - 13}, 100);
  if (begins(path, "/status/")) return say(to, number(path, 8), text("status"));
  if (begins(path, "/count")) return say(to, 200, text(count == 1 ? "first" : "another"));
  if (begins(path, "/silent")) return;
  if (begins(path, "/forever"))
    for (;;) __asm__ volatile("");
  if (begins(path, "/error")) {
    wasi_http_types_result_own_outgoing_response_error_code_t result = {.is_err = true};
    result.val.err = (Code){.tag = WASI_HTTP_TYPES_ERROR_CODE_LOOP_DETECTED};
    return wasi_http_types_static_response_outparam_set(to, &result);
  }
  if (begins(path, "/answered-forever")) {
    say(to, 200, text("answered"));
    for (;;) __asm__ volatile("");
  }
  if (begins(path, "/trap-late")) {
    Body body = respond(to, 200, wasi_http_types_constructor_fields());
    Output stream = output(body);
    put(stream, (uint8_t *)"some", 4);
    __builtin_trap();
  }
  if (begins(path, "/trap")) __builtin_trap();
  if (begins(path, "/large/")) {
    static uint8_t piece[65536];
    Body body = respond(to, 200, wasi_http_types_constructor_fields());
    Output stream = output(body);
    for (unsigned i = number(path, 7); i > 0; i--)
      if (!put(stream, piece, sizeof piece)) return;
    return finish(body, stream, 0);
  }
  if (begins(path, "/no-body")) {
    Fields fields = wasi_http_types_constructor_fields();
    set(fields, "content-length", text("99"));
    wasi_http_types_result_own_outgoing_response_error_code_t result = {.is_err = false};
    result.val.ok = wasi_http_types_constructor_outgoing_response(fields);
    return wasi_http_types_static_response_outparam_set(to, &result);
  }
  if (begins(path, "/two-lengths")) {
    Fields fields = wasi_http_types_constructor_fields();
    handler_string_t name = text("content-length"), odd = text("4_096");
    wasi_http_types_field_value_t value = {odd.ptr, odd.len};
    wasi_http_types_header_error_t error;
    if (wasi_http_types_method_fields_append(wasi_http_types_borrow_fields(fields), &name, &value, &error))
      return say(to, 500, text("an odd length is let through"));
    set(fields, "content-length", text("5"));
    set(fields, "content-length", text("6"));
    Body body = respond(to, 200, fields);
    Output stream = output(body);
    put(stream, (uint8_t *)"first", 5);
    return finish(body, stream, 0);
  }
  if (begins(path, "/hold")) {
    // Begins requests that nobody reads, until one is refused.
    for (unsigned count = 0;; count++) {
      wasi_http_types_own_outgoing_request_t outgoing =
          wasi_http_types_constructor_outgoing_request(wasi_http_types_constructor_fields());
      handler_string_t authority = text("held.example");
      wasi_http_types_method_outgoing_request_set_authority(wasi_http_types_borrow_outgoing_request(outgoing),
                                                            &authority);
      wasi_http_types_own_future_incoming_response_t future;
      Code error;
      if (wasi_http_outgoing_handler_handle(outgoing, 0, &future, &error)) continue;
      static char digits[] = "000 ";
      digits[0] += count / 100, digits[1] += count / 10 % 10, digits[2] += count % 10;
      Body body = respond(to, 200, wasi_http_types_constructor_fields());
      Output stream = output(body);
      put(stream, (uint8_t *)digits, 4);
      put(stream, (uint8_t *)CODES[error.tag], strlen(CODES[error.tag]));
      return finish(body, stream, 0);
    }
  }
  if (begins(path, "/large-error/")) {
    size_t size = number(path, 13) << 20;
    uint8_t *letters = malloc(size);
    memset(letters, 'E', size);
    wasi_http_types_result_own_outgoing_response_error_code_t result = {.is_err = true};
    result.val.err.tag = WASI_HTTP_TYPES_ERROR_CODE_INTERNAL_ERROR;
    result.val.err.val.internal_error.is_some = true;
    result.val.err.val.internal_error.val = (handler_string_t){letters, size};
    return wasi_http_types_static_response_outparam_set(to, &result);
  }
  if (begins(path, "/large-field/")) {
    size_t size = number(path, 13) << 20;
    uint8_t *letters = malloc(size);
    memset(letters, 'F', size);
    Fields fields = wasi_http_types_constructor_fields();
    set(fields, "x-large", (handler_string_t){letters, size});
    Body body = respond(to, 200, fields);
    return finish(body, output(body), 0);
  }
  if (begins(path, "/too-short")) {
    Fields fields = wasi_http_types_constructor_fields();
    set(fields, "content-length", text("100"));
    Body body = respond(to, 200, fields);
    Output stream = output(body);
    put(stream, (uint8_t *)"short", 5);
    return finish(body, stream, 0);
  }
  say(to, 404, text("nothing here"));
}
