//! One tenant's file.

use std::path::Path;

use super::{
    Environment, Limits, access,
    fault::{Faults, Position, shown},
    fields::{Fields, Item},
    keys, mergers, protocol_section,
    tree::Node,
};
use crate::domain::{
    ByteSize, Municipalities, NisCode, ProtocolId, SshPublicKey, Tenant, TenantId, TenantKind,
    protocol::Status,
    tenant::{Onboarding, TenantLimits, UploadRule},
};

/// All files of an outbox together where the tenant's file says nothing, bytes.
const OUTBOX: ByteSize = ByteSize(5 << 30);
/// Bounds of that: a single answer fits in the smallest.
const OUTBOX_BOUNDS: std::ops::RangeInclusive<ByteSize> = ByteSize(1 << 20)..=ByteSize(1 << 40);

/// All uploads that are kept together where the tenant's file says nothing, bytes: lists of 165,000 numbers, of which a
/// thousand fit, are not sent as often as that within the month that answered ones stay.
const INBOX: ByteSize = ByteSize(2 << 30);
/// Where a tenant's files may be larger than usual, so many of them fit.
const INBOX_UPLOADS: u64 = 4;
/// Bounds of that.
const INBOX_BOUNDS: std::ops::RangeInclusive<ByteSize> = ByteSize(1 << 20)..=ByteSize(1 << 40);

/// What tenants' files are read against.
pub(super) struct Surroundings<'a> {
    pub environment: Environment,
    pub limits: Limits,
    /// None where the table itself is at fault: then codes are not looked up.
    pub municipalities: Option<&'a Municipalities>,
    pub faults: &'a Faults,
}

/// A tenant with the places that comparisons with other tenants report.
pub(super) struct PlacedTenant {
    pub tenant: Tenant,
    pub id_at: Position,
    pub nis_at: Position,
    pub former_at: Vec<(NisCode, Position)>,
    pub keys_at: Vec<(SshPublicKey, Position)>,
    /// The digest of each protocol and agreement.
    pub documents: Vec<(ProtocolId, String)>,
}

/// Reads a tenant's file; none when so much is at fault that there is no tenant to compare with others.
pub(super) fn read(file: &Path, root: &Node, around: &Surroundings<'_>) -> Option<PlacedTenant> {
    let faults = around.faults;
    let fields = Fields::of_file(root, &keys::TENANT, faults)?;
    let id = read_id(&fields, file);
    let (name, kind) = (fields.text("name"), fields.word("kind"));
    let nis_code = read_nis_code(&fields, kind, around);
    let former_at = mergers::read(&fields, (kind, nis_code), around);
    let keys = access::login_keys(&fields, around.environment);
    let certificate_authorities = access::authorities(&fields, around.environment, id.as_ref());
    let passwords = access::passwords(&fields);
    let require = access::steps(&fields, &passwords, faults);
    let allow_from =
        fields.item("allow_from").map_or_else(everywhere, |item| access::networks(&item.list().unwrap_or_default()));
    let recipients = access::recipients(&fields, around.environment);
    if fields.item("recipients").is_none() && kind.is_none_or(access::needs_recipients) {
        faults.add(fields.at, "a tenant has no `recipients`");
    }
    let limits = read_limits(&fields, around);
    let onboarding =
        fields.mapping("onboarding", &keys::ONBOARDING).map_or_else(Onboarding::default, |onboarding| Onboarding {
            technical_test: onboarding.date("technical_test"),
            functional_test: onboarding.date("functional_test"),
        });
    let contacts = fields.list("contacts").iter().filter_map(mail_address).collect();
    let agreements = protocol_section::agreements(&fields);
    let protocols = protocol_section::protocols(&fields, faults);
    protocol_section::check_references(&fields, faults);
    let interests = fields.list("interests").iter().filter_map(Item::word).collect();
    let keys_at = keys.iter().map(|(key, at)| (key.key.clone(), at.clone())).collect();
    let tenant = Tenant {
        id: id?,
        name: name?,
        kind: kind?,
        nis_code,
        former_nis_codes: former_at.iter().map(|(code, _)| *code).collect(),
        keys: keys.into_iter().map(|(key, _)| key).collect(),
        certificate_authorities,
        passwords,
        require,
        allow_from,
        recipients,
        contacts,
        limits,
        uploads: fields.word("uploads").unwrap_or(UploadRule::Any),
        may_delete: fields.leaf("may_delete").unwrap_or(false),
        onboarding,
        agreements,
        protocols,
        interests,
    };
    check_whole(&fields, &tenant, faults);
    let (id_at, nis_at) = (fields.place("id").clone(), fields.place("nis_code").clone());
    let documents = protocol_section::documents(&fields);
    Some(PlacedTenant { tenant, id_at, nis_at, former_at, keys_at, documents })
}

/// The name must be the file's: whoever looks for a tenant looks for its file.
fn read_id(fields: &Fields<'_>, file: &Path) -> Option<TenantId> {
    let item = fields.item("id")?;
    let id: TenantId = item.parsed()?;
    let stem = file.file_stem().unwrap_or_default();
    if stem != id.as_str() {
        let problem = format!("`id` is {id}, but the file is {}.yaml", stem.to_string_lossy());
        item.fault(problem, Some(&format!("rename the file to {id}.yaml")));
    }
    Some(id)
}

fn read_nis_code(fields: &Fields<'_>, kind: Option<TenantKind>, around: &Surroundings<'_>) -> Option<NisCode> {
    let Some(item) = fields.item("nis_code") else {
        if let Some(kind) = kind.filter(|kind| kind.uploads()) {
            let hint = "add the code of its municipality, between quotes";
            around.faults.add_with_hint(fields.at, format!("a tenant of kind {} has no `nis_code`", kind.name()), hint);
        }
        return None;
    };
    let code: NisCode = item.parsed()?;
    if let Some(kind) = kind.filter(|kind| !kind.uploads()) {
        item.fault(format!("a tenant of kind {} is of no municipality", kind.name()), Some("leave `nis_code` out"));
    } else if around.municipalities.is_some_and(|table| table.by_code(code).is_none()) {
        let became = mergers::became(code, around.municipalities);
        let hint = became.map_or_else(
            || "see municipalities.csv for the codes since the mergers of 2025".to_owned(),
            |became| format!("{became}: write that, and {code} under `former_nis_codes`"),
        );
        item.fault(format!("`nis_code` {code} is not in the table of municipalities"), Some(&hint));
    }
    Some(code)
}

fn read_limits(fields: &Fields<'_>, around: &Surroundings<'_>) -> TenantLimits {
    let most = ByteSize(around.limits.upload_bytes);
    let usual_inbox = |upload_bytes: u64| INBOX.max(ByteSize(upload_bytes.saturating_mul(INBOX_UPLOADS)));
    let Some(own) = fields.mapping("limits", &keys::TENANT_LIMITS) else {
        let inbox_bytes = usual_inbox(most.0).0;
        return TenantLimits { upload_bytes: most.0, inbox_bytes, outbox_bytes: OUTBOX.0 };
    };
    // A tenant may have less than all, not more.
    let upload_bytes = own.size("upload_bytes", ByteSize(1)..=most, most);
    let inbox_bytes = own.size("inbox_bytes", INBOX_BOUNDS, usual_inbox(upload_bytes));
    if inbox_bytes < upload_bytes {
        let (inbox, upload) = (ByteSize(inbox_bytes), ByteSize(upload_bytes));
        around
            .faults
            .add(own.place("inbox_bytes"), format!("`inbox_bytes` is {inbox}, less than one upload of {upload}"));
    }
    TenantLimits { upload_bytes, inbox_bytes, outbox_bytes: own.size("outbox_bytes", OUTBOX_BOUNDS, OUTBOX) }
}

fn everywhere() -> Vec<ipnet::IpNet> {
    vec![ipnet::Ipv4Net::default().into(), ipnet::Ipv6Net::default().into()]
}

/// Reads a mail address as it is sent (RFC 5321, section 4.1.2, without quoted names and addresses of machines): one at
/// fault would keep a mail from all others that it is for.
pub(super) fn mail_address(item: &Item<'_>) -> Option<String> {
    let text = item.text()?;
    let is_atom = |atom: &str| {
        !atom.is_empty()
            && atom.chars().all(|letter| letter.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(letter))
    };
    let is_label = |label: &str| {
        let inner = label.chars().all(|letter| letter.is_alphanumeric() || letter == '-');
        !label.is_empty() && inner && !label.starts_with('-') && !label.ends_with('-')
    };
    let shaped = text.split_once('@').is_some_and(|(name, domain)| {
        name.split('.').all(is_atom) && domain.contains('.') && domain.split('.').all(is_label)
    });
    if !shaped {
        let hint = "write it bare, as ict@bree.example";
        item.fault(format!("`{}` {} is not a mail address", item.key, shown(&text)), Some(hint));
    }
    Some(text)
}

/// What the parts of a tenant ask of each other.
fn check_whole(fields: &Fields<'_>, tenant: &Tenant, faults: &Faults) {
    let signed = tenant.protocols.iter().any(|protocol| protocol.status == Status::Signed);
    let reason = if signed {
        Some("has a signed protocol")
    } else if !tenant.agreements.is_empty() {
        Some("has an agreement")
    } else if tenant.can_log_in() {
        Some("can log in")
    } else {
        None
    };
    let sealed_to = fields.item("recipients").is_some_and(|item| item.list().is_some_and(|items| items.is_empty()));
    if let Some(reason) = reason.filter(|_| sealed_to && access::needs_recipients(tenant.kind)) {
        let hint = "ask the tenant for an age or SSH public key";
        faults.add_with_hint(fields.place("recipients"), format!("no recipients, but the tenant {reason}"), hint);
    }
    if !tenant.kind.uploads() {
        for key in ["protocols", "agreements", "interests"] {
            if let Some(item) = fields.item(key).filter(|item| item.list().is_some_and(|items| !items.is_empty())) {
                item.fault(format!("a tenant of kind {} has no {key}", tenant.kind.name()), Some("leave them out"));
            }
        }
    }
}
