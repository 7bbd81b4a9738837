//! The way out to a client, which has to take what it asked for.

use std::io;
use std::os::fd::RawFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pingora::protocols::l4::ext::get_tcp_info;
use tokio::io::BufWriter;
use tokio::time::Instant;

use super::alarm::Alarm;
use super::transport::Transport;
use crate::guard::{Rule, WritePace};

/// Small writes go out together: the head of an answer with its body.
pub(super) type Buffered = BufWriter<Transport>;

/// How a client takes what is sent.
pub(super) struct Out {
    descriptor: RawFd,
    pace: WritePace,
    alarm: Alarm,
}

impl Out {
    /// To the client at the other end of this socket.
    pub(super) fn to(descriptor: RawFd) -> Self {
        Self {
            descriptor,
            pace: WritePace::default(),
            alarm: Alarm::default(),
        }
    }

    /// Does something on the way out; an error when the client is too slow for it.
    pub(super) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        transport: &mut Buffered,
        act: impl FnOnce(Pin<&mut Buffered>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<Result<io::Result<T>, Rule>> {
        if let Poll::Ready(acted) = act(Pin::new(transport), cx) {
            self.pace.moved();
            return Poll::Ready(Ok(acted));
        }
        let taken = || get_tcp_info(self.descriptor).map_or(0, |info| info.tcpi_bytes_acked);
        loop {
            match self.pace.blocked(Instant::now(), taken) {
                Ok(at) => ready!(self.alarm.poll(cx, at)),
                Err(rule) => return Poll::Ready(Err(rule)),
            }
        }
    }
}
