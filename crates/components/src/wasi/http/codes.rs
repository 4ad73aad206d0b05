//! Error codes of wasi:http by their names.

use super::frames::joined;
use crate::wasi::generated::http::types::{DnsErrorPayload, ErrorCode};

/// The most letters of a text that a guest gives to an error.
const MOST_TEXT: usize = 1000;

/// The codes that say all by their name.
const CODES: [(&str, ErrorCode); 23] = [
    ("DNS-timeout", ErrorCode::DnsTimeout),
    ("destination-not-found", ErrorCode::DestinationNotFound),
    ("destination-unavailable", ErrorCode::DestinationUnavailable),
    ("destination-IP-prohibited", ErrorCode::DestinationIpProhibited),
    ("destination-IP-unroutable", ErrorCode::DestinationIpUnroutable),
    ("connection-refused", ErrorCode::ConnectionRefused),
    ("connection-terminated", ErrorCode::ConnectionTerminated),
    ("connection-timeout", ErrorCode::ConnectionTimeout),
    ("connection-read-timeout", ErrorCode::ConnectionReadTimeout),
    ("connection-write-timeout", ErrorCode::ConnectionWriteTimeout),
    ("connection-limit-reached", ErrorCode::ConnectionLimitReached),
    ("TLS-protocol-error", ErrorCode::TlsProtocolError),
    ("TLS-certificate-error", ErrorCode::TlsCertificateError),
    ("HTTP-request-denied", ErrorCode::HttpRequestDenied),
    ("HTTP-request-length-required", ErrorCode::HttpRequestLengthRequired),
    ("HTTP-request-method-invalid", ErrorCode::HttpRequestMethodInvalid),
    ("HTTP-request-URI-invalid", ErrorCode::HttpRequestUriInvalid),
    ("HTTP-request-URI-too-long", ErrorCode::HttpRequestUriTooLong),
    ("HTTP-response-incomplete", ErrorCode::HttpResponseIncomplete),
    ("HTTP-response-timeout", ErrorCode::HttpResponseTimeout),
    ("HTTP-upgrade-failed", ErrorCode::HttpUpgradeFailed),
    ("HTTP-protocol-error", ErrorCode::HttpProtocolError),
    ("loop-detected", ErrorCode::LoopDetected),
];

/// The error code of a name, and a text if there is one. An unknown name is an internal error.
pub fn code_of(parts: &[&[u8]]) -> ErrorCode {
    let text = |index: usize| parts.get(index).map(|part| String::from_utf8_lossy(part).into_owned());
    let name = text(0).unwrap_or_default();
    if let Some((_, code)) = CODES.iter().find(|(known, _)| *known == name) {
        return code.clone();
    }
    match name.as_str() {
        "DNS-error" => ErrorCode::DnsError(DnsErrorPayload { rcode: text(1), info_code: None }),
        "HTTP-request-body-size" => ErrorCode::HttpRequestBodySize(None),
        "HTTP-response-header-section-size" => ErrorCode::HttpResponseHeaderSectionSize(None),
        "HTTP-response-body-size" => ErrorCode::HttpResponseBodySize(None),
        "configuration-error" => ErrorCode::ConfigurationError,
        "internal-error" => ErrorCode::InternalError(text(1)),
        _ => ErrorCode::InternalError(Some(name)),
    }
}

/// The name of an error code, and its text if it has one.
fn parts_of(code: &ErrorCode) -> Vec<String> {
    let is_this = |known: &ErrorCode| std::mem::discriminant(known) == std::mem::discriminant(code);
    if let Some((name, _)) = CODES.iter().find(|(_, known)| is_this(known)) {
        return vec![(*name).to_owned()];
    }
    let (name, text) = match code {
        ErrorCode::DnsError(payload) => ("DNS-error", payload.rcode.clone()),
        ErrorCode::HttpRequestBodySize(_) => ("HTTP-request-body-size", None),
        ErrorCode::HttpResponseHeaderSectionSize(_) => ("HTTP-response-header-section-size", None),
        ErrorCode::HttpResponseBodySize(_) => ("HTTP-response-body-size", None),
        ErrorCode::ConfigurationError => ("configuration-error", None),
        ErrorCode::InternalError(text) => ("internal-error", text.clone()),
        // One with details, which the guest has made itself.
        other => ("internal-error", Some(format!("{other:?}"))),
    };
    let short = |text: String| text.chars().take(MOST_TEXT).collect();
    std::iter::once(name.to_owned()).chain(text.map(short)).collect()
}

/// The content of a frame that tells an error code.
pub fn content_of(code: &ErrorCode) -> Vec<u8> {
    joined(parts_of(code).iter().map(String::as_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_its_name_and_text() {
        let refused: &[&[u8]] = &[b"connection-refused"];
        let internal: &[&[u8]] = &[b"internal-error", b"why"];
        for parts in [refused, internal, &[b"DNS-error"], &[b"configuration-error"]] {
            let again = parts_of(&code_of(parts));
            assert_eq!(again.iter().map(String::as_bytes).collect::<Vec<_>>(), parts);
        }
        assert!(matches!(code_of(refused), ErrorCode::ConnectionRefused));
        assert!(matches!(code_of(&[b"odd"]), ErrorCode::InternalError(Some(name)) if name == "odd"));
        assert!(matches!(code_of(&[]), ErrorCode::InternalError(Some(name)) if name.is_empty()));
    }
}
