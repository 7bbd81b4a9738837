//! The response on its way to the client, as it comes.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT, TRAILER, TRANSFER_ENCODING};
use http::{HeaderMap, Method, StatusCode, Version as HttpVersion};
use pingora_http::ResponseHeader;

use super::answer;
use super::grpc::Dialect;
use super::relay::{Relay, Trouble};
use crate::upstream::client::Framing;

/// What is known of the response while it is sent.
#[derive(Debug, Default)]
pub(super) struct Reply {
    /// Whether its end was said with its head.
    ended: bool,
    /// Whether its body is translated.
    translated: bool,
}

impl Relay<'_> {
    pub(super) async fn interim(&mut self, mut header: Box<ResponseHeader>) -> Result<(), Trouble> {
        let request = self.session.req_header();
        let wanted = match header.status.as_u16() {
            100 => request.headers.contains_key(EXPECT),
            103 => true,
            _ => false,
        };
        if wanted && request.version == HttpVersion::HTTP_11 {
            answer::clean_interim(&mut header);
            self.session
                .write_response_header(header)
                .await
                .map_err(|_| self.gone())?;
        }
        Ok(())
    }

    /// Sends the head of the response on.
    pub(super) async fn begin(&mut self, mut header: Box<ResponseHeader>, framing: Framing) -> Result<(), Trouble> {
        self.context.answered = true;
        let framing = self.translate_head(&mut header, framing);
        let last = framing == Framing::Empty && !self.context.filters_response_body();
        let header = self.finish_head(header, framing);
        let written = answer::write_head(self.session, header, last).await;
        self.reply.ended = written.map_err(|_| self.gone())?;
        Ok(())
    }

    /// What is no gRPC although it was called for, such as a page of a load balancer, stays what it is.
    fn translate_head(&mut self, header: &mut ResponseHeader, framing: Framing) -> Framing {
        let Some(translation) = &self.translation else {
            return framing;
        };
        if Dialect::of(&header.headers) != Some(Dialect::Grpc) {
            return framing;
        }
        self.reply.translated = true;
        let kind = translation.dialect().rename(&header.headers);
        let _ = header.insert_header(CONTENT_TYPE, kind);
        // The status that comes without a body is in the head, where pages can read it.
        if framing == Framing::Empty {
            framing
        } else {
            Framing::Open
        }
    }

    /// The head as the client sees it.
    pub(super) fn finish_head(&mut self, mut header: Box<ResponseHeader>, framing: Framing) -> Box<ResponseHeader> {
        let upgraded = header.status == StatusCode::SWITCHING_PROTOCOLS;
        self.context.upgraded = upgraded;
        answer::remove_hop_by_hop(&mut header, upgraded);
        answer::finish(&mut header, self.context);
        if !upgraded {
            self.say_where_it_ends(&mut header, framing);
        }
        header
    }

    fn say_where_it_ends(&self, header: &mut ResponseHeader, framing: Framing) {
        let request = self.session.req_header();
        let bodiless = request.method == Method::HEAD
            || header.status == StatusCode::NO_CONTENT
            || header.status == StatusCode::NOT_MODIFIED;
        // How the service ended it says nothing about how the client will see it.
        header.remove_header(&TRANSFER_ENCODING);
        if header.status == StatusCode::NO_CONTENT {
            // Some readers would wait for what it announces (RFC 9110, section 8.6).
            header.remove_header(&CONTENT_LENGTH);
        }
        if !self.session.is_http2() {
            // Only HTTP/2 carries trailers to clients.
            header.remove_header(&TRAILER);
        }
        match framing {
            Framing::Open if !bodiless => {
                header.remove_header(&CONTENT_LENGTH);
                if request.version == HttpVersion::HTTP_11 {
                    let _ = header.insert_header(TRANSFER_ENCODING, "chunked");
                }
            }
            Framing::Empty if !bodiless && !self.session.is_http2() => drop(header.insert_header(CONTENT_LENGTH, "0")),
            _ => {}
        }
    }

    pub(super) async fn pass(&mut self, piece: Bytes) -> Result<(), Trouble> {
        let mut piece = Some(piece);
        self.context.filter_response_body(&mut piece, false);
        match piece {
            Some(piece) => {
                let piece = self.translated(piece);
                let written = self.session.write_response_body(piece, false).await;
                written.map_err(|_| self.gone())
            }
            None => Ok(()),
        }
    }

    pub(super) async fn end(&mut self, trailers: Option<HeaderMap>) -> Result<(), Trouble> {
        let mut rest = None;
        self.context.filter_response_body(&mut rest, true);
        let rest = self.translated(rest.unwrap_or_default());
        let trailers = trailers.map(answer::clean_trailers);
        let written = if self.reply.ended {
            Ok(())
        } else {
            self.write_end(rest, trailers).await
        };
        written.map_err(|_| self.gone())
    }

    async fn write_end(&mut self, rest: Bytes, trailers: Option<HeaderMap>) -> pingora::Result<()> {
        match (trailers, &self.translation) {
            (Some(trailers), Some(translation)) if self.reply.translated => {
                let frame = translation.trailers(&trailers);
                self.session.write_response_body(rest, false).await?;
                self.session.write_response_body(frame, true).await
            }
            (Some(trailers), _) if self.session.is_http2() => {
                self.session.write_response_body(rest, false).await?;
                self.session.write_response_trailers(trailers).await
            }
            _ => self.session.write_response_body(rest, true).await,
        }
    }

    fn translated(&self, piece: Bytes) -> Bytes {
        match &self.translation {
            Some(translation) if self.reply.translated => translation.response(piece),
            _ => piece,
        }
    }
}
