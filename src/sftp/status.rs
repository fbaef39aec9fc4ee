//! From a refusal to the status that a client gets: one match, so that no refusal lacks one.
//!
//! Codes are those of version 3, chosen as OpenSSH chooses them, since clients act on the code and show the text.

use russh_sftp::protocol::StatusCode;

use crate::{domain::path::PathFault, dropbox::view::Denied};

/// The status code of a refusal; its text is the refusal's own.
pub(super) fn code(denied: &Denied) -> StatusCode {
    match denied {
        // Clients take "no such file" for a missing directory too, and then try to make it.
        Denied::NotFound | Denied::NotADirectory => StatusCode::NoSuchFile,
        Denied::Forbidden(_) => StatusCode::PermissionDenied,
        Denied::Unsupported(_) => StatusCode::OpUnsupported,
        Denied::IsADirectory | Denied::Exists | Denied::Limit(_) | Denied::Refused(_) | Denied::Unavailable => {
            StatusCode::Failure
        }
    }
}

/// A path that cannot be, in words for the person who typed it.
pub(super) fn path_denied(fault: PathFault) -> Denied {
    Denied::Refused(
        match fault {
            PathFault::Encoding => "de bestandsnaam is geen UTF-8",
            PathFault::Control => "de bestandsnaam bevat een stuurteken",
            PathFault::TooLong => "de bestandsnaam is te lang",
        }
        .to_owned(),
    )
}

/// Texts of refusals that need no drop-box.
pub(super) mod text {
    pub(in crate::sftp) const UNDECODABLE: &str = "dit verzoek is niet te lezen";
    pub(in crate::sftp) const UNKNOWN_REQUEST: &str = "deze server kent dit verzoek niet";
    pub(in crate::sftp) const UNKNOWN_HANDLE: &str = "dit bestand is niet geopend";
    pub(in crate::sftp) const WRONG_HANDLE: &str = "dit kan niet met een bestand dat zo geopend is";
    pub(in crate::sftp) const NO_LINKS: &str = "koppelingen bestaan hier niet";
    pub(in crate::sftp) const NO_DIRECTORIES: &str = "mappen maken of verwijderen kan hier niet";
    pub(in crate::sftp) const NOT_YOURS: &str = "dit kan hier niet gewijzigd worden";
    pub(in crate::sftp) const NOT_READ_BACK: &str =
        "uit de inbox kan niets teruggelezen worden, ook geen controlegetal";
    pub(in crate::sftp) const TOO_MANY_HANDLES: &str = "te veel bestanden tegelijk geopend";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_the_code_that_clients_expect() {
        for (denied, expected) in [
            (Denied::NotFound, 2),
            (Denied::NotADirectory, 2),
            (Denied::IsADirectory, 4),
            (Denied::Exists, 4),
            (Denied::Forbidden("nee"), 3),
            (Denied::Limit("vol".to_owned()), 4),
            (Denied::Refused("leeg".to_owned()), 4),
            (Denied::Unsupported("kan niet"), 8),
            (Denied::Unavailable, 4),
            (path_denied(PathFault::Encoding), 4),
        ] {
            assert_eq!(code(&denied) as u32, expected, "{denied:?}");
        }
    }
}
