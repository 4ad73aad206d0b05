// A server of HTTP for WASI preview 1, on a socket that it was started with.
// It is run as `http-server.wasm accept|poll FD`: one connection after the other, by calls that wait, or all at
// once, by poll_oneoff. `GET /exit` ends it. Made by
// zig cc -target wasm32-wasi -Oz -s http-server.c -o http-server.wasm    (ziglang 0.17 of PyPI)
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 256, ROOM = 4096 };

struct connection {
  char in[ROOM];
  size_t length;
};

static int is_over;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void send_all(int fd, const char *bytes, size_t length) {
  while (length > 0) {
    ssize_t sent = send(fd, bytes, length, 0);
    if (sent < 0 && errno == EAGAIN) {
      struct pollfd one = {.fd = fd, .events = POLLOUT};
      poll(&one, 1, -1);
      continue;
    }
    if (sent < 0) return; // the client has gone
    bytes += sent;
    length -= sent;
  }
}

// Answers the requests that have come. False when the connection is over.
static int serve(int fd, struct connection *one) {
  ssize_t count = recv(fd, one->in + one->length, ROOM - 1 - one->length, 0);
  if (count < 0 && errno == EAGAIN) return 1;
  if (count <= 0) return 0;
  one->length += count;
  one->in[one->length] = 0;
  for (char *end; (end = strstr(one->in, "\r\n\r\n"));) {
    char method[16], path[256], out[512], body[300];
    if (sscanf(one->in, "%15s %255s", method, path) != 2) return 0;
    int length = snprintf(body, sizeof body, "%s %s\n", method, path);
    length = snprintf(out, sizeof out, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", length, body);
    send_all(fd, out, length);
    if (strcmp(path, "/exit") == 0) is_over = 1;
    end += 4;
    one->length -= end - one->in;
    memmove(one->in, end, one->length + 1);
  }
  return one->length < ROOM - 1;
}

static void by_accept(int listener) {
  while (!is_over) {
    int fd = accept(listener, NULL, NULL);
    if (fd < 0) fail("accept");
    struct connection one = {.length = 0};
    while (!is_over && serve(fd, &one)) {
    }
    shutdown(fd, SHUT_RDWR);
    close(fd);
  }
}

static void by_poll(int listener) {
  static struct pollfd all[MOST];
  static struct connection connections[MOST];
  int count = 1;
  all[0] = (struct pollfd){.fd = listener, .events = POLLIN};
  if (fcntl(listener, F_SETFL, O_NONBLOCK) < 0) fail("fcntl");
  while (!is_over) {
    if (poll(all, count, -1) < 0) fail("poll");
    int before = count;
    if (all[0].revents && count < MOST) {
      int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
      if (fd < 0 && errno != EAGAIN) fail("accept4");
      if (fd >= 0) {
        all[count] = (struct pollfd){.fd = fd, .events = POLLIN};
        connections[count++].length = 0;
      }
    }
    for (int i = before - 1; i > 0; i--) {
      if (!all[i].revents || serve(all[i].fd, &connections[i])) continue;
      close(all[i].fd);
      all[i] = all[--count];
      connections[i] = connections[count];
    }
  }
}

int main(int count, char **args) {
  if (count < 3) return 64;
  int listener = atoi(args[2]);
  int type = 0;
  socklen_t size = sizeof type;
  if (getsockopt(listener, SOL_SOCKET, SO_TYPE, &type, &size) < 0) fail("getsockopt");
  if (type != SOCK_STREAM) return 65;
  if (strcmp(args[1], "poll") == 0) by_poll(listener);
  else by_accept(listener);
  return 0;
}
