//! The interfaces that the control socket offers, and what their methods ask.

use serde_json::{Value, json};

use super::request::{Problem, Request};
use crate::varlink::{Call, Reply};

/// An interface through which a guest is asked; `org.varlink.service` is about the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interface {
    /// Ours.
    Domain,
    /// What systemd's hypervisors have that run QEMU.
    QemuMachineInstance,
}

/// What a method needs of a call besides its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    Upgrade,
}

/// A method: its name, what it needs of the call, and what it asks with which parameters; `None` if
/// they are not its own.
type Method = (&'static str, Kind, fn(&Value) -> Option<Request>);

const SERVICE: (&str, &str) =
    ("org.varlink.service", include_str!("../../../../schemas/org.varlink.service.varlink"));

impl Interface {
    const ALL: &[Self] = &[Self::Domain, Self::QemuMachineInstance];

    fn name(self) -> &'static str {
        match self {
            Self::Domain => "org.vdomain.Domain",
            Self::QemuMachineInstance => "io.systemd.QemuMachineInstance",
        }
    }

    fn description(self) -> &'static str {
        match self {
            Self::Domain => include_str!("../../../../schemas/org.vdomain.Domain.varlink"),
            Self::QemuMachineInstance => {
                include_str!("../../../../schemas/io.systemd.QemuMachineInstance.varlink")
            }
        }
    }

    fn methods(self) -> &'static [Method] {
        match self {
            Self::Domain => &[
                ("GetState", Kind::Plain, |_| Some(Request::GetState)),
                ("Describe", Kind::Plain, |_| Some(Request::Describe)),
                ("GetConsoles", Kind::Plain, |_| Some(Request::GetConsoles)),
                ("Suspend", Kind::Plain, |_| Some(Request::Suspend)),
                ("Resume", Kind::Plain, |_| Some(Request::Resume)),
                ("Shutdown", Kind::Plain, |_| Some(Request::Shutdown)),
                ("Destroy", Kind::Plain, |_| Some(Request::Destroy)),
                ("Change", Kind::Plain, |parameters| {
                    let order = serde_json::from_value(parameters.clone()).ok()?;
                    Some(Request::Change(Box::new(order)))
                }),
            ],
            Self::QemuMachineInstance => {
                &[("AcquireQMP", Kind::Upgrade, |_| Some(Request::AcquireQmp))]
            }
        }
    }

    /// A problem in this interface's words.
    pub(super) fn reply_to(self, problem: &Problem) -> Reply {
        match (self, problem) {
            (Self::Domain, Problem::Gone) => Reply::error("org.vdomain.Domain.Gone", json!({})),
            (Self::Domain, Problem::WrongState(state)) => {
                Reply::error("org.vdomain.Domain.WrongState", json!({ "state": state.to_string() }))
            }
            (Self::Domain, Problem::Refused(reason)) => {
                Reply::error("org.vdomain.Domain.Refused", json!({ "reason": reason }))
            }
            (Self::Domain, Problem::Changed) => {
                Reply::error("org.vdomain.Domain.Changed", json!({}))
            }
            (Self::QemuMachineInstance, _) => {
                Reply::error("io.systemd.MachineInstance.NotConnected", json!({}))
            }
        }
    }
}

/// What a call asks of the guest, and through which interface; or the reply, where nobody needs to
/// be asked.
pub(super) fn understand(call: &Call, name: &str) -> Result<(Request, Interface), Reply> {
    let (interface, method) = call.method.rsplit_once('.').unwrap_or(("", &call.method));
    if interface == SERVICE.0 {
        return Err(service(method, &call.parameters, name));
    }
    let interface = Interface::ALL
        .iter()
        .find(|known| known.name() == interface)
        .ok_or_else(|| error("InterfaceNotFound", json!({ "interface": interface })))?;
    let (_, kind, request) = interface
        .methods()
        .iter()
        .find(|(known, ..)| *known == method)
        .ok_or_else(|| error("MethodNotFound", json!({ "method": call.method })))?;
    match kind {
        Kind::Upgrade if !call.upgrade => Err(error("ExpectedUpgrade", json!({}))),
        _ => match request(&call.parameters) {
            Some(request) => Ok((request, *interface)),
            None => Err(error("InvalidParameter", json!({ "parameter": "change" }))),
        },
    }
}

fn service(method: &str, parameters: &Value, name: &str) -> Reply {
    let described = || {
        let interfaces = Interface::ALL.iter().map(|known| (known.name(), known.description()));
        std::iter::once(SERVICE).chain(interfaces)
    };
    match method {
        "GetInfo" => Reply::done(json!({
            "vendor": "vdomain",
            "product": format!("vdomain ({name})"),
            "version": env!("CARGO_PKG_VERSION"),
            "url": env!("CARGO_PKG_REPOSITORY"),
            "interfaces": described().map(|(name, _)| name).collect::<Vec<_>>(),
        })),
        "GetInterfaceDescription" => match parameters["interface"].as_str() {
            Some(asked) => match described().find(|(name, _)| *name == asked) {
                Some((_, description)) => Reply::done(json!({ "description": description })),
                None => error("InterfaceNotFound", json!({ "interface": asked })),
            },
            None => error("InvalidParameter", json!({ "parameter": "interface" })),
        },
        _ => error("MethodNotFound", json!({ "method": format!("{}.{method}", SERVICE.0) })),
    }
}

fn error(name: &str, parameters: Value) -> Reply {
    Reply::error(&format!("{}.{name}", SERVICE.0), parameters)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn an_interface_lists_exactly_the_methods_that_are_served() {
        for interface in Interface::ALL {
            let description = interface.description();
            let listed: Vec<&str> = description
                .lines()
                .filter_map(|line| line.strip_prefix("method ")?.split('(').next())
                .collect();
            let served: Vec<&str> =
                interface.methods().iter().map(|(method, ..)| *method).collect();
            assert_eq!(listed, served);
            assert!(description.contains(&format!("\ninterface {}\n", interface.name())));
        }
    }

    #[test]
    fn what_is_not_there_is_named_in_the_error() {
        for (method, name, parameter) in [
            ("org.vdomain.Domain.Dance", "MethodNotFound", "method"),
            ("org.varlink.service.Dance", "MethodNotFound", "method"),
            ("org.vdomain.Dance.Waltz", "InterfaceNotFound", "interface"),
        ] {
            let reply = understand(&Call::new(method, json!({})), "a").unwrap_err();
            assert_eq!(reply.error, Some(format!("org.varlink.service.{name}")));
            assert!(method.starts_with(reply.parameters[parameter].as_str().unwrap()));
        }
    }

    #[test]
    fn every_interface_describes_itself() {
        let ask = |method: &str, parameters| {
            let call = Call::new(format!("org.varlink.service.{method}"), parameters);
            understand(&call, "a").unwrap_err()
        };
        let info = ask("GetInfo", json!({})).parameters;
        assert_eq!(info["product"], "vdomain (a)");
        for interface in info["interfaces"].as_array().unwrap() {
            let reply = ask("GetInterfaceDescription", json!({ "interface": interface }));
            let description = reply.parameters["description"].as_str().unwrap().to_owned();
            assert!(
                description.contains(&format!("\ninterface {}\n", interface.as_str().unwrap()))
            );
        }
    }

    #[test]
    fn a_connection_becomes_qmp_only_for_who_asks_for_that() {
        let call = Call::new("io.systemd.QemuMachineInstance.AcquireQMP", json!({}));
        let refused = understand(&call, "a").unwrap_err();
        assert_eq!(refused.error.as_deref(), Some("org.varlink.service.ExpectedUpgrade"));
        let (request, _) = understand(&call.with_upgrade(), "a").unwrap();
        assert_eq!(request, Request::AcquireQmp);
    }
}
