//! Error codes of wasi:http 0.3 for those of 0.2, and back: they are the same.

use crate::wasi::generated::http::types as of_0_2;
use crate::wasi::p3::generated::http::types as of_0_3;

/// Makes a function of one version's codes to another's: those without a payload, those with one that both
/// versions share, and those with one of each version.
macro_rules! codes {
    ($name:ident, $from:ident => $to:ident, $($plain:ident)*; $($shared:ident)*; $($sized:ident)*; $($optional:ident)*) => {
        pub fn $name(code: $from::ErrorCode) -> $to::ErrorCode {
            let size = |of: $from::FieldSizePayload| $to::FieldSizePayload {
                field_name: of.field_name,
                field_size: of.field_size,
            };
            match code {
                $($from::ErrorCode::$plain => $to::ErrorCode::$plain,)*
                $($from::ErrorCode::$shared(payload) => $to::ErrorCode::$shared(payload),)*
                $($from::ErrorCode::$sized(payload) => $to::ErrorCode::$sized(size(payload)),)*
                $($from::ErrorCode::$optional(payload) => $to::ErrorCode::$optional(payload.map(size)),)*
                $from::ErrorCode::DnsError(of) => {
                    $to::ErrorCode::DnsError($to::DnsErrorPayload { rcode: of.rcode, info_code: of.info_code })
                }
                $from::ErrorCode::TlsAlertReceived(of) => {
                    let (alert_id, alert_message) = (of.alert_id, of.alert_message);
                    $to::ErrorCode::TlsAlertReceived($to::TlsAlertReceivedPayload { alert_id, alert_message })
                }
            }
        }
    };
    ($name:ident, $from:ident => $to:ident) => {
        codes! { $name, $from => $to,
            DnsTimeout DestinationNotFound DestinationUnavailable DestinationIpProhibited DestinationIpUnroutable
            ConnectionRefused ConnectionTerminated ConnectionTimeout ConnectionReadTimeout ConnectionWriteTimeout
            ConnectionLimitReached TlsProtocolError TlsCertificateError HttpRequestDenied HttpRequestLengthRequired
            HttpRequestMethodInvalid HttpRequestUriInvalid HttpRequestUriTooLong HttpResponseIncomplete
            HttpResponseTimeout HttpUpgradeFailed HttpProtocolError LoopDetected ConfigurationError;
            HttpRequestBodySize HttpRequestHeaderSectionSize HttpRequestTrailerSectionSize
            HttpResponseHeaderSectionSize HttpResponseBodySize HttpResponseTrailerSectionSize
            HttpResponseTransferCoding HttpResponseContentCoding InternalError;
            HttpRequestTrailerSize HttpResponseHeaderSize HttpResponseTrailerSize;
            HttpRequestHeaderSize
        }
    };
}

codes! { newer, of_0_2 => of_0_3 }
codes! { older, of_0_3 => of_0_2 }
