//! The plan as text for people: one argument, descriptor or command a line.

use std::fmt::{self, Display};

use super::{Access, Fd, Open, Plan, SecretOrigin, Thread};

impl Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut arguments = self.argv.iter().peekable();
        while let Some(argument) = arguments.next() {
            write!(f, "argv    {argument}")?;
            if argument.starts_with('-')
                && let Some(value) = arguments.next_if(|next| !next.starts_with('-'))
            {
                write!(f, " {value}")?;
            }
            writeln!(f)?;
        }
        for (name, value) in &self.environment {
            writeln!(f, "env     {name}={value}")?;
        }
        for device in &self.handovers {
            writeln!(f, "pci     {}  {}", device.address, device.driver)?;
        }
        for helper in &self.helpers {
            writeln!(f, "helper  {}  {}", helper.name, helper.argv.join(" "))?;
        }
        for secret in &self.secrets {
            writeln!(f, "secret  {}  {}", secret.late, origin(&secret.from))?;
        }
        for fd in &self.fds {
            writeln!(f, "fd      {}  {}  {}{}", fd.name, how(&fd.open), fd.source, goes(fd))?;
        }
        for command in &self.qmp {
            write!(f, "qmp     {}", command.execute)?;
            if !command.arguments.is_null() {
                write!(f, " {}", command.arguments)?;
            }
            for name in &command.fds {
                write!(f, "  + {name}")?;
            }
            writeln!(f)?;
        }
        for setting in self.control_group.iter().flat_map(|group| &group.settings) {
            write!(f, "limit   ")?;
            match setting.thread {
                Some(Thread::Emulator) => write!(f, "emulator ")?,
                Some(Thread::Vcpu { number }) => write!(f, "vcpu{number} ")?,
                Some(Thread::Iothread { number }) => write!(f, "iothread{number} ")?,
                None => {}
            }
            let device = setting.device.iter().map(|path| format!("{path} ")).collect::<String>();
            writeln!(f, "{} {device}{}", setting.file, setting.value)?;
        }
        for by_path in &self.by_path {
            writeln!(f, "by path {}: {}", by_path.path, by_path.reason)?;
        }
        for question in &self.not_examined {
            writeln!(f, "not examined: {question}")?;
        }
        for note in &self.notes {
            writeln!(f, "note    {note}")?;
        }
        Ok(())
    }
}

fn how(open: &Open) -> String {
    let access = |access: &Access| match access {
        Access::Ro => "read-only",
        Access::Rw => "read-write",
    };
    match open {
        Open::File { access: mode, direct: false } => access(mode).to_owned(),
        Open::File { access: mode, direct: true } => format!("{},direct", access(mode)),
        Open::Device { access: mode } => format!("device,{}", access(mode)),
        Open::Create { direct: false, .. } => "create".to_owned(),
        Open::Create { direct: true, .. } => "create,direct".to_owned(),
        Open::Directory => "directory".to_owned(),
        Open::Memory => "memory".to_owned(),
        Open::Overlay => "overlay".to_owned(),
        Open::MemfdCopy => "memfd-copy".to_owned(),
        Open::Text { .. } => "text".to_owned(),
        Open::MemoryFile => "memory-file".to_owned(),
        Open::Log { append: true } => "log,append".to_owned(),
        Open::Log { append: false } => "log".to_owned(),
        Open::Tap(tap) => match &tap.bridge {
            Some(bridge) => format!("tap,bridge={bridge},queue={}", tap.queue),
            None => format!("tap,queue={}", tap.queue),
        },
        Open::Macvtap(macvtap) => {
            format!("macvtap,on={},mode={},queue={}", macvtap.on, macvtap.mode, macvtap.queue)
        }
        Open::VhostNet => "vhost-net".to_owned(),
        Open::VhostVsock { cid: Some(cid), .. } => format!("vhost-vsock,cid={cid}"),
        Open::VhostVsock { cid: None, .. } => "vhost-vsock,cid=auto".to_owned(),
        Open::SocketNode => "socket-node".to_owned(),
        Open::ListenUnix => "listen".to_owned(),
        Open::ListenTcp { auto: true, .. } => "listen,auto".to_owned(),
        Open::ListenTcp { auto: false, .. } => "listen".to_owned(),
        Open::ConnectUnix => "connect".to_owned(),
        Open::Helper { helper } => format!("connect,helper={helper}"),
        Open::HelperNode { helper } => format!("socket-node,helper={helper}"),
        Open::Secret { .. } => "secret".to_owned(),
        Open::Monitor => "monitor".to_owned(),
    }
}

/// Where a secret comes from.
fn origin(from: &SecretOrigin) -> String {
    match from {
        SecretOrigin::File(file) => file.path.clone(),
        SecretOrigin::Document { .. } => "the document".to_owned(),
        SecretOrigin::NotExamined { secret } => secret.clone(),
    }
}

/// How QEMU gets it.
fn goes(fd: &Fd) -> String {
    match (fd.fd, fd.fdset) {
        (Some(number), Some(set)) => format!("  inherited as {number}, in set {set}"),
        (Some(number), None) => format!("  inherited as {number}"),
        (None, Some(set)) => format!("  in set {set}"),
        (None, None) => String::new(),
    }
}
