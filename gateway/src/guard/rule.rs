//! The rules of the edge: what a client must not do, and what it is told when it does.

use model::reason::Reason;

macro_rules! rules {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $reason:ident, $detail:literal;)*) => {
        /// A rule that a client broke.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Rule { $($(#[$doc])* $variant,)* }

        impl Rule {
            /// Every rule.
            pub const ALL: &'static [Rule] = &[$(Rule::$variant),*];

            /// The stable code, a label of metrics.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// Why the gateway answers by itself.
            pub const fn reason(self) -> Reason {
                match self { $(Self::$variant => Reason::$reason,)* }
            }

            /// A sentence for the client.
            pub const fn detail(self) -> &'static str {
                match self { $(Self::$variant => $detail,)* }
            }
        }
    };
}

rules! {
    /// The first line is no request line.
    RequestLine = "request_line", BadRequest, "The request line must be a method, a target and a version, with one space between them.";
    /// The method is not a token.
    Method = "method", BadRequest, "The method must be a word of at most 32 letters.";
    /// The method is one that a proxy for everybody must not serve.
    MethodRefused = "method_refused", MethodNotAllowed, "CONNECT and TRACE are not served.";
    /// The target is neither a path nor a URL.
    Target = "target", BadRequest, "The target must be a path that starts with a slash, or a URL with one.";
    /// The target has bytes that do not belong into one.
    TargetByte = "target_byte", BadRequest, "The target must be ASCII without spaces, control bytes and unencoded delimiters.";
    /// The target is too long.
    TargetLength = "target_length", TargetTooLong, "The target may have 8192 bytes.";
    /// The version is not one that is spoken here.
    Version = "version", BadRequest, "The version must be HTTP/1.1 or HTTP/1.0.";
    /// A line ends without a carriage return.
    LineEnd = "line_end", BadRequest, "Every line must end with CR LF.";
    /// A header goes on in a second line.
    Folded = "folded", BadRequest, "A header must be in one line.";
    /// A line is no header.
    Field = "field", BadRequest, "A header must be a name, a colon at once after it, and a value.";
    /// A header's value has bytes that must not be in one.
    FieldByte = "field_byte", BadRequest, "The value of a header must not have control bytes.";
    /// There are too many headers, or they are too large.
    HeaderSize = "header_size", HeaderTooLarge, "The headers may have 32768 bytes in 100 fields.";
    /// The host is missing, repeated or none.
    Host = "host", HostRejected, "A request must have exactly one Host header, with a host and perhaps a port.";
    /// The target names another host than the header.
    HostMismatch = "host_mismatch", BadRequest, "The host of the URL and that of the Host header must be the same.";
    /// The length is repeated or not a number.
    ContentLength = "content_length", BadRequest, "A request must have at most one Content-Length, in digits.";
    /// The coding is not the one that is spoken here.
    TransferEncoding = "transfer_encoding", BadRequest, "Transfer-Encoding must be `chunked`, once, and not in HTTP/1.0.";
    /// There are two framings.
    BothLengths = "both_lengths", BadRequest, "A request must not have both Transfer-Encoding and Content-Length.";
    /// The client expects what is not offered.
    Expectation = "expectation", ExpectationFailed, "The only expectation that is met is `100-continue`.";
    /// A chunk is not as it must be.
    Chunk = "chunk", BadRequest, "A chunk must be 1 to 8 hexadecimal digits, CR LF, the bytes, CR LF.";
    /// The trailers are not as they must be.
    Trailer = "trailer", BadRequest, "The trailers must be headers of at most 8192 bytes in all.";
    /// The head did not come in time.
    HeadTime = "head_time", RequestTimeout, "The head of a request must arrive within 10 seconds.";
    /// The body comes too slowly.
    BodyTime = "body_time", RequestTimeout, "The body must arrive with at least 1 KiB each second, and pause for 30 seconds at most.";
    /// The client does not read its answer.
    AnswerTime = "answer_time", RequestTimeout, "The answer must be read with at least 1 KiB each second.";
    /// Too many frames that ask for nothing.
    ControlFlood = "http2_control_flood", RateLimited, "Too many frames that carry nothing.";
    /// Too many streams are given up.
    ResetFlood = "http2_reset_flood", RateLimited, "Too many streams were reset.";
    /// Too many window updates.
    WindowFlood = "http2_window_flood", RateLimited, "Too many window updates.";
    /// A header block has too many pieces.
    ContinuationFlood = "http2_continuation_flood", HeaderTooLarge, "A header block has too many pieces.";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_rule_has_a_code_of_its_own() {
        let codes: HashSet<_> = Rule::ALL.iter().map(|rule| rule.code()).collect();
        assert_eq!(codes.len(), Rule::ALL.len());
    }
}
