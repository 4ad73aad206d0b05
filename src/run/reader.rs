//! Values of JavaScript, read into those of Rust and made from them. `lib/` has checked them: a value that is
//! not of its type is an exception without a code.

use crate::node_api::{ErrorKind, Js, JsResult, Type, Value};
use crate::permission::require_net;
use crate::trees::{IS_UPPER, directory_of};
use std::sync::Arc;
use wasi_rs_core::abi::Errno;
use wasi_rs_core::abi::socket::Protocol;
use wasi_rs_core::ctx::{Fixed, Preopen, PreopenSource};
use wasi_rs_core::host::clocks::Beginning;
use wasi_rs_core::network::rules::{Rule, Way};
use wasi_rs_modules::interface::Names;
use wasi_rs_modules::limits::Limits;
use wasi_rs_runner::plan::{Socket, Stdio};

/// An object whose properties are read.
pub struct Reader<'s> {
    /// The engine.
    pub js: Js<'s>,
    /// The object.
    pub object: Value<'s>,
}

impl<'s> Reader<'s> {
    /// A property.
    pub fn get(&self, name: &str) -> JsResult<Value<'s>> {
        self.js.get_named(self.object, name)
    }

    /// A property that may be missing.
    pub fn given(&self, name: &str) -> JsResult<Option<Value<'s>>> {
        let value = self.get(name)?;
        Ok(if self.js.is_undefined(value)? { None } else { Some(value) })
    }

    /// A number that may be missing.
    pub fn number(&self, name: &str) -> JsResult<Option<f64>> {
        self.given(name)?.map(|value| self.js.number_of(value)).transpose()
    }

    /// A size that may be missing.
    pub fn size(&self, name: &str) -> JsResult<Option<usize>> {
        Ok(self.number(name)?.map(|number| usize::try_from(whole(number)).unwrap_or(usize::MAX)))
    }

    /// The number of the request.
    pub fn id(&self) -> JsResult<u32> {
        Ok(number_as_id(self.js.number_of(self.get("id")?)?))
    }

    fn list<T>(&self, name: &str, read: impl Fn(Value<'s>) -> JsResult<T>) -> JsResult<Vec<T>> {
        let list = self.get(name)?;
        (0..self.js.array_length(list)?).map(|index| read(self.js.get_index(list, index)?)).collect()
    }

    /// A string that may be missing, or something else.
    pub fn text(&self, name: &str) -> JsResult<Option<String>> {
        let value = self.get(name)?;
        if self.js.type_of(value)? == Type::String { self.js.string_of(value).map(Some) } else { Ok(None) }
    }

    /// A list of strings.
    pub fn strings(&self, name: &str) -> JsResult<Vec<String>> {
        self.list(name, |string| self.js.string_of(string))
    }

    /// A list of pairs of strings that may be missing.
    pub fn pairs(&self, name: &str) -> JsResult<Option<Vec<(String, String)>>> {
        if self.given(name)?.is_none() {
            return Ok(None);
        }
        let part = |pair, index| self.js.string_of(self.js.get_index(pair, index)?);
        self.list(name, |pair| Ok((part(pair, 0)?, part(pair, 1)?))).map(Some)
    }

    /// The imports and exports of a module of V8.
    pub fn names(&self) -> JsResult<Names> {
        let js = self.js;
        let text = |object, name| js.string_of(js.get_named(object, name)?);
        Ok(Names {
            imports: self.list("imports", |one| Ok((text(one, "module")?, text(one, "name")?, text(one, "kind")?)))?,
            exports: self.list("exports", |one| Ok((text(one, "name")?, text(one, "kind")?)))?,
        })
    }

    /// The directories of a guest.
    pub fn preopens(&self) -> JsResult<Vec<Preopen>> {
        let js = self.js;
        self.list("preopens", |object| {
            let preopen = Reader { js, object };
            Ok(Preopen {
                name: js.string_of(preopen.get("guest")?)?,
                source: preopen.directory()?,
                read_only: js.truthy(preopen.get("readOnly")?)?,
            })
        })
    }

    /// The directory of a preopen.
    fn directory(&self) -> JsResult<PreopenSource> {
        let js = self.js;
        let Some(directory) = self.given("directory")? else {
            return Ok(PreopenSource::Path(js.string_of(self.get("path")?)?));
        };
        let (code, message) = match directory_of(js, directory)? {
            Some(Ok(open)) => return Ok(PreopenSource::Memory(open)),
            Some(Err(Errno::Busy)) => (Some("ERR_INVALID_STATE"), IS_UPPER),
            Some(Err(errno)) => (Some(errno.name()), errno.text()),
            None => (None, "the directory in memory is of another version of wasi-rs"),
        };
        Err(js.throw(js.error(ErrorKind::TypeError, code, js.string(message)?)?))
    }

    /// The rules of a guest's network, and the tickets for sockets that it is given. Node's permission model
    /// must permit any.
    pub fn sockets(&self) -> JsResult<Vec<Socket>> {
        let js = self.js;
        if self.given("sockets")?.is_none() {
            return Ok(Vec::new());
        }
        let sockets = self.list("sockets", |object| {
            if js.type_of(object)? == Type::Number {
                return Ok(Socket::Ticket(whole(js.number_of(object)?)));
            }
            let (entry, protocol) = (Reader { js, object }, Reader { js, object }.text("protocol")?);
            let protocol = if protocol.as_deref() == Some("udp") { Protocol::Udp } else { Protocol::Tcp };
            let (way, text) = match entry.text("listen")? {
                Some(text) => (Way::Listen, text),
                None => (Way::Connect, js.string_of(entry.get("connect")?)?),
            };
            match Rule::parse(way, protocol, &text) {
                Ok(rule) => Ok(Socket::Rule(rule)),
                Err(why) => Err(js.throw(js.error(ErrorKind::TypeError, None, js.string(&why)?)?)),
            }
        })?;
        if !sockets.is_empty() {
            require_net(js)?;
        }
        Ok(sockets)
    }

    /// The limits of a run.
    pub fn limits(&self) -> JsResult<Limits> {
        Ok(Limits {
            memory: self.number("memory")?.map(whole),
            table_elements: self.number("tableElements")?.map(whole),
            stack: self.size("stack")?,
            fuel: self.number("fuel")?.map(whole),
            open_files: self.size("openFiles")?,
            is_deterministic: self.js.truthy(self.get("deterministic")?)?,
        })
    }

    /// The fixed parts of a guest's surroundings, as `fixed()` gives them.
    pub fn fixed(&self) -> JsResult<Fixed> {
        let Some(object) = self.given("fixed")? else { return Ok(Fixed::default()) };
        let fixed = Reader { js: self.js, object };
        let time = |name| Ok(fixed.text(name)?.and_then(|digits| digits.parse().ok()));
        let clock = match (time("now")?, time("monotonic")?, time("step")?) {
            (Some(realtime), Some(monotonic), Some(step)) => Some(Beginning { realtime, monotonic, step }),
            _ => None,
        };
        let seed = fixed.given("seed")?.map(|seed| self.js.uint8_array(seed)).transpose()?.flatten();
        Ok(Fixed { clock, seed, files: self.js.truthy(fixed.get("files")?)? })
    }

    /// A standard stream: the number of a ticket, bytes, `'capture'` or `'ignore'`.
    pub fn stdio(&self, index: u32) -> JsResult<Stdio> {
        let js = self.js;
        let value = js.get_index(self.object, index)?;
        Ok(match js.type_of(value)? {
            Type::Number => Stdio::Ticket(whole(js.number_of(value)?)),
            Type::String if js.string_of(value)? == "ignore" => Stdio::Ignore,
            Type::String => Stdio::Capture,
            _ => Stdio::Bytes(js.uint8_array(value)?.unwrap_or_default()),
        })
    }
}

/// A number that `lib/` has made sure is whole and not negative.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "out of range it becomes the nearest there is"
)]
pub fn whole(number: f64) -> u64 {
    number as u64
}

/// The number of a request.
pub fn number_as_id(number: f64) -> u32 {
    u32::try_from(whole(number)).unwrap_or(u32::MAX)
}

/// The value that an object of this addon holds.
pub fn held<'s, T: 'static>(js: Js<'s>, object: Value<'s>) -> JsResult<Arc<T>> {
    if js.type_of(object)? == Type::Object
        && let Some(held) = js.held::<Arc<T>>(object)?
    {
        return Ok(held);
    }
    Err(js.throw(js.error(ErrorKind::TypeError, None, js.string("not an object of wasi-rs")?)?))
}

/// A number of JavaScript.
#[allow(clippy::cast_precision_loss, reason = "JavaScript's numbers are these")]
pub fn float(number: u64) -> f64 {
    number as f64
}
