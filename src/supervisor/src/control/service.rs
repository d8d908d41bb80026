//! What a call asks; and the interface that describes the others.

use std::os::fd::OwnedFd;

use serde_json::{Value, json};

use super::interface::{Interface, Kind, Wrong};
use super::request::Request;
use crate::varlink::{Call, Reply};

const SERVICE: (&str, &str) =
    ("org.varlink.service", include_str!("../../../../schemas/org.varlink.service.varlink"));

/// What a call asks of the guest, and through which interface; or the reply, where nobody needs to
/// be asked.
pub(super) fn understand(
    call: &Call,
    descriptors: Vec<OwnedFd>,
    name: &str,
) -> Result<(Request, Interface), Reply> {
    let (interface, method) = call.method.rsplit_once('.').unwrap_or(("", &call.method));
    if interface == SERVICE.0 {
        return Err(service(method, &call.parameters, name));
    }
    let interface = Interface::ALL
        .iter()
        .find(|known| known.name() == interface)
        .ok_or_else(|| error("InterfaceNotFound", json!({ "interface": interface })))?;
    let method = interface
        .methods()
        .iter()
        .find(|known| known.name == method)
        .ok_or_else(|| error("MethodNotFound", json!({ "method": call.method })))?;
    match method.kind {
        Kind::More if !call.more => return Err(error("ExpectedMore", json!({}))),
        Kind::Upgrade if !call.upgrade => return Err(error("ExpectedUpgrade", json!({}))),
        _ => {}
    }
    let wrong = |parameter: &str| error("InvalidParameter", json!({ "parameter": parameter }));
    let given = call.parameters.as_object().ok_or_else(|| wrong("parameters"))?;
    if let Some(unknown) = given.keys().find(|name| !method.parameters.contains(&name.as_str())) {
        return Err(wrong(unknown));
    }
    match (method.ask)(&call.parameters, descriptors) {
        Ok(request) => Ok((request, *interface)),
        Err(Wrong::Parameter(parameter)) => Err(wrong(parameter)),
        Err(Wrong::Problem(problem)) => Err(interface.problem(&problem)),
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

    /// The methods of a description, each with its parameters.
    fn described(description: &str) -> Vec<(String, Vec<String>)> {
        description
            .split("\nmethod ")
            .skip(1)
            .map(|method| {
                let (name, rest) = method.split_once('(').unwrap();
                let (taken, _) = rest.split_once(')').unwrap();
                let names = taken.split(',').filter_map(|one| Some(one.split_once(':')?.0.trim()));
                (name.to_owned(), names.map(str::to_owned).collect())
            })
            .collect()
    }

    #[test]
    fn an_interface_describes_exactly_the_methods_that_are_served() {
        for interface in Interface::ALL {
            let served: Vec<(String, Vec<String>)> = interface
                .methods()
                .iter()
                .map(|method| {
                    let parameters = method.parameters.iter().map(|name| (*name).to_owned());
                    (method.name.to_owned(), parameters.collect())
                })
                .collect();
            assert_eq!(described(interface.description()), served);
        }
    }

    /// systemd: `varlink_idl_parse` in `src/libsystemd/sd-varlink/sd-varlink-idl.c` knows `?[]string`
    /// and no `[]?string`.
    #[test]
    fn descriptions_have_no_lists_of_what_may_be_missing() {
        for interface in Interface::ALL {
            let description = interface.description();
            assert!(!description.contains("]?"), "{}", interface.name());
        }
    }

    #[test]
    fn every_error_of_an_interface_is_described() {
        use crate::control::{Errno, Problem, StorageError};
        use crate::state::GuestState;
        let problems = [
            Problem::Gone,
            Problem::WrongState(GuestState::Crashed),
            Problem::Refused("no".to_owned()),
            Problem::Changed,
            Problem::System(Errno::IO),
            Problem::Storage(StorageError::NoSuchStorage),
            Problem::Storage(StorageError::StorageExists),
            Problem::Storage(StorageError::StorageImmutable),
            Problem::Storage(StorageError::BadConfig),
            Problem::Storage(StorageError::ConfigNotSupported),
        ];
        for interface in Interface::ALL {
            let mut replies: Vec<Reply> =
                problems.iter().map(|problem| interface.problem(problem)).collect();
            replies.extend([true, false].into_iter().filter_map(|behind| interface.last(behind)));
            for error in replies.into_iter().filter_map(|reply| reply.error) {
                let (of, name) = error.rsplit_once('.').unwrap();
                let describes = Interface::ALL.iter().find(|known| known.name() == of);
                let is_described = describes.is_some_and(|interface| {
                    interface.description().contains(&format!("\nerror {name} ("))
                });
                assert!(is_described || error == "io.systemd.System", "{error}");
            }
        }
    }

    #[test]
    fn parameters_that_are_not_known_or_of_another_type_are_refused() {
        for (method, parameters, wrong) in [
            ("org.vdomain.Domain.Destroy", json!({ "graceful": 1 }), "graceful"),
            ("org.vdomain.Domain.Destroy", json!({ "now": true }), "now"),
            ("org.vdomain.Domain.Suspend", json!([]), "parameters"),
            ("io.systemd.MachineInstance.SubscribeEvents", json!({ "filter": "STOP" }), "filter"),
        ] {
            let refused = understand(&Call::new(method, parameters).with_more(), Vec::new(), "a")
                .unwrap_err();
            assert_eq!(refused.error.as_deref(), Some("org.varlink.service.InvalidParameter"));
            assert_eq!(refused.parameters["parameter"], wrong);
        }
        let call = Call::new("org.vdomain.Domain.Destroy", json!({ "graceful": true }));
        assert_eq!(
            understand(&call, Vec::new(), "a").unwrap().0,
            Request::Destroy { graceful: true }
        );
    }

    #[test]
    fn what_is_not_there_is_named_in_the_error() {
        for (method, name, parameter) in [
            ("org.vdomain.Domain.Dance", "MethodNotFound", "method"),
            ("org.varlink.service.Dance", "MethodNotFound", "method"),
            ("org.vdomain.Dance.Waltz", "InterfaceNotFound", "interface"),
        ] {
            let reply = understand(&Call::new(method, json!({})), Vec::new(), "a").unwrap_err();
            assert_eq!(reply.error, Some(format!("org.varlink.service.{name}")));
            assert!(method.starts_with(reply.parameters[parameter].as_str().unwrap()));
        }
    }

    #[test]
    fn every_interface_describes_itself() {
        let ask = |method: &str, parameters| {
            let call = Call::new(format!("org.varlink.service.{method}"), parameters);
            understand(&call, Vec::new(), "a").unwrap_err()
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
    fn a_connection_becomes_another_only_for_who_asks_for_that() {
        let call = Call::new("io.systemd.QemuMachineInstance.AcquireQMP", json!({}));
        let refused = understand(&call, Vec::new(), "a").unwrap_err();
        assert_eq!(refused.error.as_deref(), Some("org.varlink.service.ExpectedUpgrade"));
        let (request, _) = understand(&call.with_upgrade(), Vec::new(), "a").unwrap();
        assert_eq!(request, Request::AcquireQmp);
        let subscribe = Call::new("io.systemd.MachineInstance.SubscribeEvents", json!({}));
        let refused = understand(&subscribe, Vec::new(), "a").unwrap_err();
        assert_eq!(refused.error.as_deref(), Some("org.varlink.service.ExpectedMore"));
    }
}
