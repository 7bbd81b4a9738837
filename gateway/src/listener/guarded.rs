//! The checks of the edge on a connection's way to Pingora and back.

use std::io;
use std::os::fd::{AsRawFd as _, RawFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead as _, AsyncWrite, BufWriter, ReadBuf};
use tokio::time::Instant;
use uuid::Uuid;

use super::alarm::Alarm;
use super::connections::Connection;
use super::http1::Http1;
use super::linger::linger;
use super::out::{Buffered, Out};
use super::transport::Transport;
use crate::config::limits;
use crate::guard::http2::Flow;
use crate::guard::{Rule, refusal};
use crate::telemetry::Telemetry;

/// A connection with its checks.
pub(super) struct Guarded {
    /// None once the rest of it is somebody else's.
    transport: Option<Buffered>,
    descriptor: RawFd,
    checks: Checks,
    /// Read already, not yet given to Pingora.
    input: Vec<u8>,
    /// A rule was broken; nothing goes either way any more.
    broken: bool,
    reading: Alarm,
    out: Out,
    telemetry: Arc<Telemetry>,
    place: Option<Connection>,
}

/// What is checked.
enum Checks {
    Http1(Box<Http1>),
    Http2(Box<Flow>),
    /// Nothing: another protocol took over.
    Open,
}

impl Guarded {
    pub(super) fn new(transport: Transport, telemetry: Arc<Telemetry>, place: Connection) -> Self {
        let descriptor = transport.as_raw_fd();
        Self {
            descriptor,
            transport: Some(BufWriter::with_capacity(limits::OUTPUT, transport)),
            checks: Checks::Http1(Box::default()),
            input: Vec::new(),
            broken: false,
            reading: Alarm::default(),
            out: Out::to(descriptor),
            telemetry,
            place: Some(place),
        }
    }

    /// Checks frames instead of requests from now on.
    pub(super) fn speak_http2(&mut self) {
        self.checks = Checks::Http2(Box::default());
    }

    pub(super) fn descriptor(&self) -> RawFd {
        self.descriptor
    }

    pub(super) fn transport(&self) -> Option<&Transport> {
        self.transport.as_ref().map(BufWriter::get_ref)
    }

    /// What was read and not given yet.
    pub(super) fn input(&self) -> &[u8] {
        &self.input
    }

    /// Whether another request may come after the one that was answered. Its bytes may be here already.
    pub(super) fn next_request(&mut self) -> bool {
        match &mut self.checks {
            Checks::Http1(http1) if http1.framing.is_over() && http1.allowed == 0 && !self.broken => {
                **http1 = Http1::default();
                true
            }
            _ => false,
        }
    }

    fn io(&mut self) -> io::Result<Pin<&mut Buffered>> {
        let transport = self.transport.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        Ok(Pin::new(transport))
    }

    /// Reads into the bytes that are kept back.
    pub(super) fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let start = self.input.len();
        let mut input = std::mem::take(&mut self.input);
        input.resize(start + limits::PIECE, 0);
        let mut piece = ReadBuf::new(&mut input[start..]);
        let result = self.io().map(|io| io.poll_read(cx, &mut piece));
        let count = piece.filled().len();
        input.truncate(start + count);
        self.input = input;
        ready!(result?)?;
        Poll::Ready(Ok(count))
    }

    /// Gives what was kept back, as much as has room and may be given.
    fn give(&mut self, buf: &mut ReadBuf<'_>, allowed: usize) -> usize {
        let count = self.input.len().min(buf.remaining()).min(allowed);
        buf.put_slice(&self.input[..count]);
        self.input.drain(..count);
        count
    }

    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.broken || buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        match &self.checks {
            Checks::Http1(_) => self.poll_http1(cx, buf),
            Checks::Http2(_) => self.poll_http2(cx, buf),
            Checks::Open if self.input.is_empty() => self.io()?.poll_read(cx, buf),
            Checks::Open => {
                self.give(buf, usize::MAX);
                Poll::Ready(Ok(()))
            }
        }
    }

    fn poll_http1(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let Checks::Http1(http1) = &mut self.checks else {
                return Poll::Ready(Ok(()));
            };
            if http1.allowed == 0 && !self.input.is_empty() {
                match http1.framing.pass(&self.input) {
                    Ok(count) => http1.allowed = count,
                    Err(rule) => return self.refuse(cx, rule),
                }
            }
            if http1.allowed > 0 {
                let allowed = http1.allowed;
                let given = self.give(buf, allowed);
                if let Checks::Http1(http1) = &mut self.checks {
                    http1.allowed -= given;
                }
                return Poll::Ready(Ok(()));
            }
            if http1.framing.is_over() && self.input.len() >= limits::KEPT {
                // The answer to this request comes first; the reader does not wait for more of it.
                return Poll::Pending;
            }
            let read = if self.input.is_empty() {
                self.poll_direct(cx, buf)
            } else {
                self.poll_kept(cx)
            };
            if let Poll::Ready(Some(done)) = read {
                return Poll::Ready(done);
            }
            if read.is_pending() {
                ready!(self.wait(cx))?;
                if self.broken {
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }

    /// Reads more of what is kept back; a result is the end.
    fn poll_kept(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<()>>> {
        let end = match ready!(self.poll_receive(cx)) {
            Ok(0) => Some(Ok(())),
            Ok(count) => {
                self.note_received(count);
                None
            }
            Err(error) => Some(Err(error)),
        };
        Poll::Ready(end)
    }

    /// Reads to where the bytes shall go, and takes back those that may not go there yet. Most requests come whole.
    fn poll_direct(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Option<io::Result<()>>> {
        let start = buf.filled().len();
        let result = match self.io() {
            Ok(io) => ready!(io.poll_read(cx, buf)),
            Err(error) => Err(error),
        };
        let count = buf.filled().len() - start;
        let Checks::Http1(http1) = &mut self.checks else {
            return Poll::Ready(Some(result));
        };
        if result.is_err() || count == 0 {
            return Poll::Ready(Some(result));
        }
        let passed = match http1.framing.pass(&buf.filled()[start..]) {
            Ok(passed) => passed,
            Err(rule) => {
                buf.set_filled(start);
                return self.refuse(cx, rule).map(Some);
            }
        };
        self.input.extend_from_slice(&buf.filled()[start + passed..]);
        buf.set_filled(start + passed);
        self.note_received(count);
        Poll::Ready((passed > 0).then_some(Ok(())))
    }

    fn note_received(&mut self, count: usize) {
        if let Checks::Http1(http1) = &mut self.checks {
            http1.received(count);
        }
    }

    /// Waits for the client, as long as it may take.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Checks::Http1(http1) = &mut self.checks else {
            return Poll::Pending;
        };
        match http1.wait(!self.input.is_empty()) {
            None => Poll::Pending,
            Some(Ok(at)) => self.reading.poll(cx, at).map(Ok),
            Some(Err(rule)) => self.refuse(cx, rule),
        }
    }

    /// Answers to what is no request, unless an answer has begun; Pingora sees an end, or an error in the midst of one.
    fn refuse(&mut self, cx: &mut Context<'_>, rule: Rule) -> Poll<io::Result<()>> {
        let Checks::Http1(http1) = &self.checks else {
            return Poll::Ready(Ok(()));
        };
        let (answered, in_head) = (http1.answered, http1.framing.in_head());
        self.count(rule);
        if !answered {
            self.last_words(cx, &refusal(rule, &Uuid::now_v7().to_string()));
        }
        Poll::Ready(if in_head {
            Ok(())
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidData, rule.detail()))
        })
    }

    fn count(&mut self, rule: Rule) {
        self.broken = true;
        self.telemetry.edge_refused(rule.code());
        tracing::debug!(rule = rule.code(), "a client broke a rule");
    }

    /// Writes what still fits; a client that does not even take this gets nothing.
    fn last_words(&mut self, cx: &mut Context<'_>, words: &[u8]) {
        if let Ok(mut io) = self.io() {
            let _ = io.as_mut().poll_write(cx, words);
            let _ = io.poll_flush(cx);
        }
    }

    fn poll_http2(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let start = buf.filled().len();
        let received = if self.give(buf, usize::MAX) > 0 {
            Poll::Ready(Ok(()))
        } else {
            self.io()?.poll_read(cx, buf)
        };
        let Checks::Http2(flow) = &mut self.checks else {
            return received;
        };
        let looked = match received {
            Poll::Ready(received) => {
                received?;
                flow.received(&buf.filled()[start..], Instant::now())
            }
            Poll::Pending => {
                let Some(end) = flow.headers_end() else {
                    return Poll::Pending;
                };
                ready!(self.reading.poll(cx, end));
                Err(Rule::HeadTime)
            }
        };
        let Err(rule) = looked else {
            return Poll::Ready(Ok(()));
        };
        let goaway = flow.goaway();
        buf.set_filled(start);
        self.count(rule);
        if let Some(goaway) = goaway {
            self.last_words(cx, &goaway);
        }
        Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionAborted, rule.detail())))
    }

    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.poll_out(cx, |io, cx| io.poll_write(cx, buf));
        if let Poll::Ready(Ok(count)) = &written {
            self.note_sent(&buf[..*count]);
        }
        written
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_out(cx, AsyncWrite::poll_flush)
    }

    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_out(cx, AsyncWrite::poll_shutdown)
    }

    /// Does something on the way out, as long as the client takes what it asked for.
    fn poll_out<T>(
        &mut self,
        cx: &mut Context<'_>,
        act: impl FnOnce(Pin<&mut Buffered>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if self.broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let transport = self.transport.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        match ready!(self.out.poll(cx, transport, act)) {
            Ok(acted) => Poll::Ready(acted),
            Err(rule) => {
                self.count(rule);
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, rule.detail())))
            }
        }
    }

    fn note_sent(&mut self, bytes: &[u8]) {
        match &mut self.checks {
            Checks::Http1(http1) => {
                if http1.sent(bytes) {
                    self.checks = Checks::Open;
                }
            }
            Checks::Http2(flow) => flow.sent(bytes),
            Checks::Open => {}
        }
    }

    /// Whether a client may still send while it should read an answer.
    fn is_unfinished(&self) -> bool {
        match &self.checks {
            Checks::Http1(http1) => http1.answered && !(http1.framing.is_over() && self.input.is_empty()),
            Checks::Http2(_) | Checks::Open => false,
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if (self.broken || self.is_unfinished())
            && let Some(transport) = self.transport.take()
        {
            linger(transport.into_inner(), self.place.take());
        }
    }
}
