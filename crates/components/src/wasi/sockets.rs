//! wasi:sockets, denied. A program that is built for them begins all the same, and finds that it may not.

use wasmtime::component::{Linker, ResourceAny, ResourceDynamic, ResourceType, Val};
use wasmtime::{Result, StoreContextMut};

/// The version of the interfaces. A linker takes it for each 0.2.
const VERSION: &str = "0.2.12";

/// The number of the resource `network`, and of all others, of which there are none.
const NETWORK: u32 = u32::MAX;
const NONE: u32 = u32::MAX - 1;

/// The code of the error.
const DENIED: &str = "access-denied";

/// An interface: its resources, and its functions, which are denied.
struct Interface {
    name: &'static str,
    resources: &'static [&'static str],
    functions: &'static [&'static str],
}

/// The interfaces. Functions of resources that nobody gets are not reached.
const INTERFACES: [Interface; 7] = [
    Interface { name: "wasi:sockets/network", resources: &["network"], functions: &[] },
    Interface { name: "wasi:sockets/instance-network", resources: &[], functions: &[] },
    Interface {
        name: "wasi:sockets/ip-name-lookup",
        resources: &["resolve-address-stream"],
        functions: &[
            "resolve-addresses",
            "[method]resolve-address-stream.resolve-next-address",
            "[method]resolve-address-stream.subscribe",
        ],
    },
    Interface {
        name: "wasi:sockets/tcp",
        resources: &["tcp-socket"],
        functions: &[
            "[method]tcp-socket.start-bind",
            "[method]tcp-socket.finish-bind",
            "[method]tcp-socket.start-connect",
            "[method]tcp-socket.finish-connect",
            "[method]tcp-socket.start-listen",
            "[method]tcp-socket.finish-listen",
            "[method]tcp-socket.accept",
            "[method]tcp-socket.local-address",
            "[method]tcp-socket.remote-address",
            "[method]tcp-socket.is-listening",
            "[method]tcp-socket.address-family",
            "[method]tcp-socket.set-listen-backlog-size",
            "[method]tcp-socket.keep-alive-enabled",
            "[method]tcp-socket.set-keep-alive-enabled",
            "[method]tcp-socket.keep-alive-idle-time",
            "[method]tcp-socket.set-keep-alive-idle-time",
            "[method]tcp-socket.keep-alive-interval",
            "[method]tcp-socket.set-keep-alive-interval",
            "[method]tcp-socket.keep-alive-count",
            "[method]tcp-socket.set-keep-alive-count",
            "[method]tcp-socket.hop-limit",
            "[method]tcp-socket.set-hop-limit",
            "[method]tcp-socket.receive-buffer-size",
            "[method]tcp-socket.set-receive-buffer-size",
            "[method]tcp-socket.send-buffer-size",
            "[method]tcp-socket.set-send-buffer-size",
            "[method]tcp-socket.subscribe",
            "[method]tcp-socket.shutdown",
        ],
    },
    Interface { name: "wasi:sockets/tcp-create-socket", resources: &[], functions: &["create-tcp-socket"] },
    Interface {
        name: "wasi:sockets/udp",
        resources: &["udp-socket", "incoming-datagram-stream", "outgoing-datagram-stream"],
        functions: &[
            "[method]udp-socket.start-bind",
            "[method]udp-socket.finish-bind",
            "[method]udp-socket.stream",
            "[method]udp-socket.local-address",
            "[method]udp-socket.remote-address",
            "[method]udp-socket.address-family",
            "[method]udp-socket.unicast-hop-limit",
            "[method]udp-socket.set-unicast-hop-limit",
            "[method]udp-socket.receive-buffer-size",
            "[method]udp-socket.set-receive-buffer-size",
            "[method]udp-socket.send-buffer-size",
            "[method]udp-socket.set-send-buffer-size",
            "[method]udp-socket.subscribe",
            "[method]incoming-datagram-stream.receive",
            "[method]incoming-datagram-stream.subscribe",
            "[method]outgoing-datagram-stream.check-send",
            "[method]outgoing-datagram-stream.send",
            "[method]outgoing-datagram-stream.subscribe",
        ],
    },
    Interface { name: "wasi:sockets/udp-create-socket", resources: &[], functions: &["create-udp-socket"] },
];

/// True for one of the interfaces, without its version.
pub fn is_known(name: &str) -> bool {
    INTERFACES.iter().any(|interface| interface.name == name)
}

/// Defines the interfaces in a linker.
pub fn link<T: 'static>(linker: &mut Linker<T>) -> Result<()> {
    for Interface { name, resources, functions } in &INTERFACES {
        let mut interface = linker.instance(&format!("{name}@{VERSION}"))?;
        for resource in *resources {
            let number = if *resource == "network" { NETWORK } else { NONE };
            interface.resource(resource, ResourceType::host_dynamic(number), |_, _| Ok(()))?;
        }
        for function in *functions {
            interface.func_new(function, |_, _, _, results| deny(results))?;
        }
    }
    let mut instance = linker.instance(&format!("wasi:sockets/instance-network@{VERSION}"))?;
    instance.func_new("instance-network", |store, _, _, results| {
        let network = Val::Resource(network(store)?);
        results.iter_mut().for_each(|result| *result = network.clone());
        Ok(())
    })
}

fn network<T>(store: StoreContextMut<'_, T>) -> Result<ResourceAny> {
    ResourceDynamic::new_own(0, NETWORK).try_into_resource_any(store)
}

fn deny(results: &mut [Val]) -> Result<()> {
    for result in results {
        *result = Val::Result(Err(Some(Box::new(Val::Enum(DENIED.to_owned())))));
    }
    Ok(())
}
