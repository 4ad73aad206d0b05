//! The option `sockets` of the class, and the sockets that a guest is started with, as JavaScript has them.

use crate::builtins;
use crate::class::validate::{descriptor_number, given, refuse_unknown};
use crate::errors::{self, Expected};
use crate::node_api::{Js, JsResult, Thrown, Type, Value};
use crate::permission;
use crate::process::listening_socket;
use wasi_rs_core::abi::Errno;
use wasi_rs_core::abi::socket::Protocol;
use wasi_rs_core::host::file::File;
use wasi_rs_core::network::rules::{Rule, Way};
use wasi_rs_core::syscalls::serving::{Entry, NOT_ONE, Served};

/// The entries of the option, if it is given. Node's permission model must permit any.
pub fn read<'s>(js: Js<'s>, options: Value<'s>) -> JsResult<Option<Vec<Entry>>> {
    let Some(sockets) = given(js, options, "sockets")? else { return Ok(None) };
    if !builtins::is_array(js, sockets)? {
        return Err(errors::invalid_arg_type(js, "options.sockets", Expected::Array, sockets));
    }
    let length = js.array_length(sockets)?;
    if length > 0 {
        permission::require_net(js)?;
    }
    let entry = |index| read_entry(js, js.get_index(sockets, index)?, &format!("options.sockets[{index}]"));
    (0..length).map(entry).collect::<JsResult<_>>().map(Some)
}

fn read_entry<'s>(js: Js<'s>, value: Value<'s>, name: &str) -> JsResult<Entry> {
    match js.type_of(value)? {
        Type::Number => Ok(Entry::Open(copy(js, descriptor_number(js, value, name)?, name)?)),
        Type::Object if !builtins::is_array(js, value)? => read_rule(js, value, name).map(Entry::Rule),
        _ => Err(errors::invalid_arg_type(js, name, Expected::OneOf("of type number or object"), value)),
    }
}

fn read_rule<'s>(js: Js<'s>, value: Value<'s>, name: &str) -> JsResult<Rule> {
    refuse_unknown(js, value, name, &["connect", "listen", "protocol"])?;
    if let Some(connect) = given(js, value, "connect")? {
        let reason = "is for components: a program of preview 1 has no call to connect";
        return Err(errors::invalid_arg_value(js, &format!("{name}.connect"), connect, reason));
    }
    if let Some(protocol) = given(js, value, "protocol")?
        && !js.strict_equals(protocol, js.string("tcp")?)?
    {
        return Err(errors::invalid_arg_value(js, &format!("{name}.protocol"), protocol, "must be 'tcp'"));
    }
    let (listen, name) = (js.get_named(value, "listen")?, format!("{name}.listen"));
    if js.type_of(listen)? != Type::String {
        return Err(errors::invalid_arg_type(js, &name, Expected::Type("string"), listen));
    }
    let rule = Rule::parse(Way::Listen, Protocol::Tcp, &js.string_of(listen)?);
    let one = rule.and_then(|rule| if rule.address().is_some() { Ok(rule) } else { Err(NOT_ONE.to_owned()) });
    one.map_err(|why| errors::invalid_arg_value(js, &name, listen, &why))
}

/// A copy of the host's socket of this number, which takes connections.
pub fn copy(js: Js<'_>, number: i32, name: &str) -> JsResult<File> {
    let fail = |errno, what: &str| -> Thrown {
        errors::not_initialized(js, errno, &format!("{what} the descriptor {number} of {name}"))
    };
    let (socket, listens) = listening_socket(number).map_err(|error| fail(error.into(), "can't use"))?;
    if listens { Ok(socket) } else { Err(fail(Errno::Inval, "nobody can connect to")) }
}

/// `[{ fd, address, family, port }]`; of a socket that is not one of the internet only `fd`.
pub fn served_to_js<'s>(js: Js<'s>, served: &[Served]) -> JsResult<Value<'s>> {
    js.array(served.iter().map(|one| {
        let object = js.object()?;
        js.set_named(object, "fd", js.number(one.fd.0.into())?)?;
        if let Some(address) = one.address {
            js.set_named(object, "address", js.string(&address.ip().to_string())?)?;
            js.set_named(object, "family", js.string(if address.is_ipv4() { "IPv4" } else { "IPv6" })?)?;
            js.set_named(object, "port", js.number(address.port().into())?)?;
        }
        Ok(object)
    }))
}
