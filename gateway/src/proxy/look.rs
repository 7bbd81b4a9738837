//! What the client may do while its request is on the way.

use bytes::Bytes;
use h2::Reason as Code;
use pingora::protocols::http::ServerSession;

/// What is looked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Look {
    /// More of the body.
    Body,
    /// That it goes away.
    Presence,
    /// Nothing that is of interest now.
    Nothing,
}

/// The client went away; the code by which it reset its stream, if it did.
#[derive(Debug)]
pub(super) struct Gone(pub(super) Option<Code>);

impl Gone {
    fn of(error: &pingora::Error) -> Self {
        let cause = error.root_cause().downcast_ref::<h2::Error>();
        Self(cause.and_then(h2::Error::reason))
    }
}

impl Look {
    /// What it returns first: a piece of the body, its end, or that the client is gone.
    pub(super) async fn at(self, session: &mut ServerSession) -> Result<Option<Bytes>, Gone> {
        match (self, session) {
            (Self::Body, session) => session.read_request_body().await.map_err(|error| Gone::of(&error)),
            (Self::Presence, ServerSession::H2(session)) => Err(match session.idle().await {
                Ok(code) => Gone(Some(code)),
                Err(error) => Gone::of(&error),
            }),
            (Self::Presence, session) => {
                let idle = session.read_body_or_idle(true).await;
                idle.map_err(|error| Gone::of(&error))
            }
            (Self::Nothing, _) => std::future::pending().await,
        }
    }
}
