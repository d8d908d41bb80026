//! The control socket: requests of others, over varlink; and beside it a socket that is like one of
//! QEMU's monitor, for programs that know nothing else.
//!
//! Whoever may connect may do everything: the sockets are for their owner and root only. One task
//! serves one connection, so that a slow client delays nobody.

mod interface;
mod request;
mod service;

use std::fs;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use store::RunDirectory;
use sys::runtime::{self, JoinHandle, Listener, Receiver, Sender, Socket};

use crate::driver::{News, Subscription};
use crate::varlink::{Call, Connection, Reply};
use interface::Interface;

pub use request::{Answer, Asked, Errno, Problem, Request, StorageError};

/// How long to wait after a connection could not be accepted, for lack of descriptors or memory.
const PAUSE: Duration = Duration::from_millis(50);

/// The sockets on which a guest is asked.
#[derive(Debug)]
pub struct Control {
    /// What was asked, in order.
    pub asked: Receiver<Asked>,
    servers: Vec<JoinHandle<()>>,
}

impl Control {
    /// Begins to listen. What a dead supervisor left in the way is removed.
    ///
    /// # Errors
    /// A socket cannot be made.
    pub fn listen(run: &RunDirectory) -> io::Result<Self> {
        let (sender, asked) = runtime::bounded(64);
        let mut servers = Vec::new();
        for (path, protocol) in [(run.qmp(), Protocol::Qmp), (run.control(), Protocol::Varlink)] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let listener = Listener::bind(&path)?;
            let name = run.name().as_str().into();
            servers.push(runtime::spawn(accept(listener, sender.clone(), name, protocol)));
        }
        Ok(Self { asked, servers })
    }

    /// Stops listening.
    ///
    /// # Cancel safety
    /// May be dropped at any time.
    pub async fn close(&mut self) {
        for server in self.servers.drain(..) {
            server.cancel().await;
        }
    }
}

/// What is spoken on a socket.
#[derive(Clone, Copy, Debug)]
enum Protocol {
    /// Requests of others, which may become QEMU's protocol.
    Varlink,
    /// QEMU's, from the greeting on.
    Qmp,
}

async fn accept(listener: Listener, asked: Sender<Asked>, name: Arc<str>, protocol: Protocol) {
    loop {
        match listener.accept().await {
            Ok(socket) if is_allowed(&socket) => {
                let served = Served { asked: asked.clone(), name: Arc::clone(&name) };
                let connection = Connection::new(socket);
                runtime::spawn(async move {
                    match protocol {
                        Protocol::Varlink => served.serve(connection).await,
                        Protocol::Qmp => served.serve_qmp(connection).await,
                    }
                });
            }
            Ok(_stranger) => {}
            Err(_) => runtime::sleep(PAUSE).await,
        }
    }
}

/// The owner of this process and root may ask.
fn is_allowed(socket: &Socket) -> bool {
    sys::process::peer(socket).is_ok_and(|peer| peer.uid == 0 || peer.uid == sys::process::user())
}

/// One client.
struct Served {
    /// Where its requests go.
    asked: Sender<Asked>,
    /// The guest's name.
    name: Arc<str>,
}

impl Served {
    /// Whatever goes wrong on a connection ends it; the client sees that.
    async fn serve(self, mut connection: Connection) {
        while let Ok(Some(call)) = connection.receive::<Call>().await {
            let (sending, sent) = runtime::bounded(1);
            let descriptors = connection.take_descriptors();
            let reply = match service::understand(&call, descriptors, &self.name) {
                Err(reply) => reply,
                Ok((request, interface)) => match self.ask(request, sent).await {
                    Ok(Answer::Done(parameters)) => Reply::done(parameters),
                    Ok(Answer::Events(subscription)) => {
                        return pass_on(subscription, interface, connection).await;
                    }
                    Ok(Answer::Qmp(client)) => {
                        if connection.send(&Reply::default()).await.is_ok() {
                            share_qmp(&client, connection).await;
                        }
                        return;
                    }
                    Err(problem) => interface.problem(&problem),
                },
            };
            if !call.oneway && connection.send(&reply).await.is_err() {
                return;
            }
            drop(sending);
        }
    }

    /// Lets a client talk to QEMU. It sees the end where the guest is gone.
    async fn serve_qmp(self, connection: Connection) {
        let (_sending, sent) = runtime::bounded(1);
        if let Ok(Answer::Qmp(client)) = self.ask(Request::AcquireQmp, sent).await {
            share_qmp(&client, connection).await;
        }
    }

    async fn ask(&self, request: Request, sent: Receiver<()>) -> Result<Answer, Problem> {
        let (answer, answered) = runtime::bounded(1);
        let asked = Asked { request, answer, sent };
        self.asked.send(asked).await.map_err(|_| Problem::Gone)?;
        answered.recv().await.unwrap_or(Err(Problem::Gone))
    }
}

/// Tells a client what happens until the guest is gone, or the client. Nothing else can be asked on
/// this connection meanwhile.
async fn pass_on(subscription: Subscription, interface: Interface, mut connection: Connection) {
    let Subscription { state, news } = subscription;
    let mut reply = Some(interface.ready(state));
    while let Some(said) = reply.take() {
        let is_last = !said.continues;
        if connection.send(&said).await.is_err() || is_last {
            return;
        }
        let told = async {
            match news.recv().await {
                Ok(News::Happened(happened)) => Some(interface.happened(&happened)),
                Ok(News::LeftBehind) => interface.last(true),
                Err(_) => interface.last(false),
            }
        };
        // A client that is gone would otherwise be noticed when something happens only.
        let left = async {
            let _ = connection.receive::<Call>().await;
            None
        };
        reply = runtime::or(told, left).await;
    }
}

/// From here on the connection is one to QEMU.
async fn share_qmp(client: &qmp::Client, connection: Connection) {
    let (socket, early) = connection.into_parts();
    // Whoever may connect may end the guest, so nothing is kept from them.
    qmp::mux::serve(client, socket, &early, |_| Ok(())).await;
}
