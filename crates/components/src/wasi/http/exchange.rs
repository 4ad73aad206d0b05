//! The message that the embedder sends in an exchange, as it is received: its head, its body, its end.

use super::codes::code_of;
use super::fields::{Entries, entries_of};
use super::frames::{HEADER, Kind, parts};
use super::lock;
use super::request_line::RequestLine;
use crate::wasi::errors::Failed;
use crate::wasi::generated::http::types::ErrorCode;
use crate::wasi::poll::Pollable;
use crate::wasi::{OpenFile, View};
use std::sync::{Arc, Mutex};
use wasi_rs_core::abi::Errno;
use wasmtime::{Error, Result, bail};

/// The most bytes that are received at once.
const PIECE: u32 = 64 << 10;

/// The most bytes of a head, or of trailers.
pub const MOST_HEAD: usize = 1 << 20;

/// An exchange: a socket that is read, one that is written, and what has come.
#[derive(Debug)]
pub struct Exchange {
    input: OpenFile,
    output: OpenFile,
    /// Counts it.
    _counted: Arc<()>,
    received: Mutex<Received>,
}

/// The end of a message.
#[derive(Clone, Debug)]
pub enum End {
    /// It is complete. Trailers may have come.
    Complete(Option<Entries>),
    /// It never will be.
    Failed(ErrorCode),
}

/// The part of a message that is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Its head.
    Head,
    /// Bytes of its body, or its end.
    Data,
    /// Its end. Bytes of its body are dropped.
    End,
}

#[derive(Debug, Default)]
struct Received {
    /// The bytes that have come and have not been taken; they begin at `start`.
    bytes: Vec<u8>,
    start: usize,
    /// The bytes of the current frame of the body that are still to be taken.
    data: usize,
    head: Option<Vec<Vec<u8>>>,
    /// True once the head has come.
    has_begun: bool,
    end: Option<End>,
}

impl Received {
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.start.min(self.bytes.len()));
        self.start = 0;
        self.bytes.extend(bytes);
        self.decode();
    }

    fn fail(&mut self, code: ErrorCode) {
        self.end.get_or_insert(End::Failed(code));
    }

    /// Reads frames up to the next bytes of the body.
    fn decode(&mut self) {
        while self.data == 0 && self.end.is_none() {
            let Some(([kind, length @ ..], rest)) = self.rest().split_first_chunk::<HEADER>() else { break };
            let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
            match Kind::of(*kind) {
                Some(Kind::Data) => {
                    self.data = length;
                    self.start = self.start.saturating_add(HEADER);
                    continue;
                }
                Some(kind) if length <= MOST_HEAD => {
                    let Some(content) = rest.get(..length) else { break };
                    match kind {
                        Kind::Head => match parts(content) {
                            Some(parts) => {
                                self.head = Some(parts.into_iter().map(<[u8]>::to_vec).collect());
                                self.has_begun = true;
                            }
                            None => self.fail(ErrorCode::HttpProtocolError),
                        },
                        Kind::Trailers => {
                            let fields = parts(content).and_then(|parts| entries_of(&parts));
                            let end = fields.map(|fields| End::Complete(Some(fields)));
                            self.end = Some(end.unwrap_or(End::Failed(ErrorCode::HttpProtocolError)));
                        }
                        Kind::Failed => {
                            let code = code_of(&parts(content).unwrap_or_default());
                            self.fail(code);
                        }
                        _ => self.end = Some(End::Complete(None)),
                    }
                    self.start = self.start.saturating_add(HEADER).saturating_add(length);
                }
                _ => self.fail(ErrorCode::HttpProtocolError),
            }
        }
    }

    /// The number of bytes of the body that are there.
    fn available(&self) -> usize {
        self.data.min(self.rest().len())
    }

    /// Takes bytes of the body, at most so many.
    fn take(&mut self, most: usize) -> Vec<u8> {
        let count = self.available().min(most);
        let taken = self.rest().get(..count).unwrap_or_default().to_vec();
        self.start = self.start.saturating_add(count);
        self.data = self.data.saturating_sub(count);
        self.decode();
        taken
    }

    fn has(&mut self, want: Want) -> bool {
        match want {
            Want::Head => self.has_begun || self.end.is_some(),
            Want::Data => self.available() > 0 || self.end.is_some(),
            Want::End => {
                while self.available() > 0 {
                    self.take(usize::MAX);
                }
                self.end.is_some()
            }
        }
    }
}

impl Exchange {
    /// The exchange of two sockets: one that is read, and one that is written.
    pub fn new([input, output]: [u32; 2], count: &Arc<()>) -> Self {
        let [input, output] = [input, output].map(|fd| OpenFile::new(fd, true));
        Self { input, output, _counted: Arc::clone(count), received: Mutex::default() }
    }

    /// The socket that is read.
    pub const fn input(&self) -> u32 {
        self.input.fd
    }

    /// The socket that is written.
    pub const fn output(&self) -> u32 {
        self.output.fd
    }

    /// True if this part of the message has come.
    pub fn has(&self, want: Want) -> bool {
        lock(&self.received).has(want)
    }

    /// Takes bytes of the body; none if there are none yet, or no more.
    pub fn take(&self, most: usize) -> Vec<u8> {
        lock(&self.received).take(most)
    }

    /// The reason why the message has not even begun, if it never will.
    pub fn failure(&self) -> Option<ErrorCode> {
        let received = lock(&self.received);
        match &received.end {
            Some(End::Failed(code)) if !received.has_begun => Some(code.clone()),
            _ => None,
        }
    }

    /// Takes the head, once.
    fn take_head(&self) -> Option<Vec<Vec<u8>>> {
        lock(&self.received).head.take()
    }

    /// Takes the head of a request: its first line, and its headers.
    pub fn take_request(&self) -> Result<(RequestLine, Entries)> {
        let parts = self.take_head().unwrap_or_default();
        let Some((line, fields)) = parts.split_first_chunk::<4>() else {
            bail!("no request has come from the embedder");
        };
        let headers = entries_of(fields).ok_or_else(|| Error::msg("a name of a header is no text"))?;
        Ok((RequestLine::of(line.each_ref().map(|part| part.as_ref())), headers))
    }

    /// Takes the head of a response: its status, and its headers; or the reason why none will come.
    pub fn take_response(&self) -> std::result::Result<(u16, Entries), ErrorCode> {
        let Some(parts) = self.take_head() else {
            return Err(match self.end() {
                Some(End::Failed(code)) => code,
                _ => ErrorCode::HttpProtocolError,
            });
        };
        let head = parts.split_first().and_then(|(status, fields)| {
            let status = std::str::from_utf8(status).ok()?.parse().ok()?;
            Some((status, entries_of(fields)?))
        });
        head.ok_or(ErrorCode::HttpProtocolError)
    }

    /// Its sockets, when nobody else has it.
    pub fn into_files(exchange: Arc<Self>) -> Option<[OpenFile; 2]> {
        let Self { input, output, .. } = Arc::into_inner(exchange)?;
        Some([input, output])
    }

    /// The end, if it has come.
    pub fn end(&self) -> Option<End> {
        lock(&self.received).end.clone()
    }
}

impl View<'_> {
    /// Receives what is there. The socket is known to have something.
    pub fn receive(&mut self, exchange: &Exchange) -> Result<()> {
        let read = match self.calls().read(exchange.input(), PIECE, None) {
            Ok(bytes) if bytes.is_empty() => Err(ErrorCode::ConnectionTerminated),
            Ok(bytes) => Ok(bytes),
            Err(Failed::Errno(Errno::Again)) => return Ok(()),
            Err(Failed::Errno(_)) => Err(ErrorCode::ConnectionTerminated),
            Err(Failed::Trap(error)) => return Err(error),
        };
        let mut received = lock(&exchange.received);
        match read {
            Ok(bytes) => received.feed(&bytes),
            Err(code) => received.fail(code),
        }
        Ok(())
    }

    /// True if a part of a message has come by now.
    pub fn look_for(&mut self, exchange: &Arc<Exchange>, want: Want) -> Result<bool> {
        self.is_ready(Pollable::Message(Arc::clone(exchange), want))
    }

    /// Drops one owner of an exchange, and closes its sockets after the last.
    pub fn release_exchange(&mut self, exchange: Arc<Exchange>) -> Result<()> {
        for file in Exchange::into_files(exchange).into_iter().flatten() {
            self.release(Arc::new(file))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::frames::{joined, push};
    use super::*;

    fn message(frames: &[(Kind, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        frames.iter().for_each(|(kind, content)| push(&mut bytes, *kind, content));
        bytes
    }

    #[test]
    fn a_message_is_the_same_in_pieces_of_any_length() {
        let head = joined([b"200".as_slice(), b"name", b"value"]);
        let trailers = joined([b"x-check".as_slice(), b"1"]);
        let all = message(&[
            (Kind::Head, &head),
            (Kind::Data, b"one"),
            (Kind::Data, b""),
            (Kind::Data, b" two"),
            (Kind::Trailers, &trailers),
        ]);
        for piece in 1..=all.len() {
            let (mut received, mut body) = (Received::default(), Vec::new());
            for bytes in all.chunks(piece) {
                received.feed(bytes);
                body.extend(received.take(2));
            }
            while received.available() > 0 {
                body.extend(received.take(2));
            }
            assert_eq!(received.head.take().unwrap(), [b"200".as_slice(), b"name", b"value"]);
            assert_eq!(body, b"one two");
            let Some(End::Complete(Some(fields))) = received.end else { panic!("{:?}", received.end) };
            assert_eq!(fields, [("x-check".to_owned(), b"1".to_vec())]);
        }
    }

    #[test]
    fn an_end_is_not_seen_before_the_body_is_taken() {
        let mut received = Received::default();
        received.feed(&message(&[(Kind::Data, b"body"), (Kind::End, b"")]));
        assert!(received.has(Want::Data) && received.end.is_none());
        assert!(received.has(Want::End));
        assert!(matches!(received.end, Some(End::Complete(None))));
    }

    #[test]
    fn what_is_no_frame_is_an_error() {
        for bytes in [b"\x09\0\0\0\0".as_slice(), b"\x01\xff\xff\xff\xff", b"\x01\x02\0\0\0xx"] {
            let mut received = Received::default();
            received.feed(bytes);
            assert!(matches!(received.end, Some(End::Failed(ErrorCode::HttpProtocolError))), "{bytes:?}");
        }
    }
}
