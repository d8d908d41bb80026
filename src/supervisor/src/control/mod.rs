//! The control socket: requests of others, over varlink.
//!
//! Whoever may connect may do everything: the socket is for its owner and root only. One task serves
//! one connection, so that a slow client delays nobody.

mod service;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use store::RunDirectory;
use sys::runtime::{self, JoinHandle, Listener, Receiver, Sender, Socket};

use crate::varlink::{Call, Connection, Reply};

/// How long to wait after a connection could not be accepted, for lack of descriptors or memory.
const PAUSE: Duration = Duration::from_millis(50);

/// What others ask of a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Its state.
    GetState,
    /// The terminals of its consoles.
    GetConsoles,
    /// To stop its processors.
    Suspend,
    /// To let them run on.
    Resume,
    /// To press its power button.
    Shutdown,
    /// To end it at once.
    Destroy,
}

/// A request that waits for its reply.
#[derive(Debug)]
pub struct Asked {
    /// What is asked.
    pub request: Request,
    /// Where the reply goes.
    reply: Sender<Reply>,
    /// Closed when the reply was sent.
    sent: Receiver<()>,
}

impl Asked {
    /// Replies. Whoever asked may be gone; then nobody is told.
    pub fn reply(self, reply: Reply) {
        let _ = self.reply.try_send(reply);
    }

    /// Replies, and waits until the reply was sent: this process is about to end.
    ///
    /// # Cancel safety
    /// May be dropped at any time.
    pub async fn reply_and_wait(self, reply: Reply) {
        let _ = self.reply.try_send(reply);
        let _ = self.sent.recv().await;
    }
}

/// The control socket of a guest.
#[derive(Debug)]
pub struct Control {
    /// What was asked, in order.
    pub asked: Receiver<Asked>,
    server: Option<JoinHandle<()>>,
}

impl Control {
    /// Begins to listen.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub fn listen(run: &RunDirectory) -> io::Result<Self> {
        let listener = Listener::bind(&run.control())?;
        let (sender, asked) = runtime::bounded(64);
        let name: Arc<str> = run.name().as_str().into();
        let server = runtime::spawn(accept(listener, sender, name));
        Ok(Self { asked, server: Some(server) })
    }

    /// Stops listening.
    ///
    /// # Cancel safety
    /// May be dropped at any time.
    pub async fn close(&mut self) {
        if let Some(server) = self.server.take() {
            server.cancel().await;
        }
    }
}

async fn accept(listener: Listener, asked: Sender<Asked>, name: Arc<str>) {
    loop {
        match listener.accept().await {
            Ok(socket) if is_allowed(&socket) => {
                runtime::spawn(serve(socket, asked.clone(), Arc::clone(&name)));
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

async fn serve(socket: Socket, asked: Sender<Asked>, name: Arc<str>) {
    let mut connection = Connection::new(socket);
    // Whatever goes wrong on a connection ends it; the client sees that.
    while let Ok(Some(call)) = connection.receive::<Call>().await {
        let (sending, sent) = runtime::bounded(1);
        let reply = answer(&call, &asked, sent, &name).await;
        if !call.oneway && connection.send(&reply).await.is_err() {
            return;
        }
        drop(sending);
    }
}

async fn answer(call: &Call, asked: &Sender<Asked>, sent: Receiver<()>, name: &str) -> Reply {
    let request = match service::understand(call, name) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    let (reply, replied) = runtime::bounded(1);
    if asked.send(Asked { request, reply, sent }).await.is_err() {
        return service::gone();
    }
    replied.recv().await.unwrap_or_else(|_| service::gone())
}
