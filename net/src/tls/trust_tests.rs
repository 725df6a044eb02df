use super::super::testing::{Person, ca, year};
use super::*;
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, date_time_ymd};

fn trust(trusted: &[&Person]) -> Trust {
    let mut trust = Trust::new(rustls::crypto::ring::default_provider().signature_verification_algorithms);
    for person in trusted {
        trust.add(person.der.clone()).unwrap();
    }
    trust
}

/// What is said of a client in 2025.
fn judge(trusted: &[&Person], presented: &Person, between: &[&Person]) -> Result<(), Error> {
    let between: Vec<_> = between.iter().map(|person| person.der.clone()).collect();
    trust(trusted).judge(&presented.der, &between, year(2025), Role::Client)
}

const STRANGER: Result<(), Error> = Err(Error::InvalidCertificate(CertificateError::UnknownIssuer));

#[test]
fn a_certificate_among_the_trusted_is_believed_whether_it_is_an_authority_or_not() {
    let (one, other) = (Person::authority("one"), Person::new("other", |_| ()));
    let signed = Person::authority("unknown").signs("signed", |_| ());
    for presented in [&one, &other, &signed] {
        assert_eq!(judge(&[&one, &other, &signed], presented, &[]), Ok(()));
    }
}

#[test]
fn a_certificate_that_only_looks_like_a_trusted_one_is_not_believed() {
    let (one, like) = (Person::authority("one"), Person::authority("one"));
    assert_eq!(judge(&[&one], &like, &[]), STRANGER);
    assert!(judge(&[&one], &Person::new("one", |_| ()), &[]).is_err());
}

#[test]
fn what_a_trusted_authority_signed_is_believed_also_at_second_hand() {
    let root = Person::authority("root");
    let between = root.signs("between", ca);
    let (near, far) = (root.signs("near", |_| ()), between.signs("far", |_| ()));
    assert_eq!(judge(&[&root], &near, &[]), Ok(()));
    assert_eq!(judge(&[&root], &far, &[&between]), Ok(()));
    assert_eq!(judge(&[&root], &far, &[]), STRANGER);
    assert!(judge(&[&Person::authority("root")], &far, &[&between]).is_err());
}

#[test]
fn what_a_trusted_client_signed_is_not_believed() {
    let alice = Person::new("alice", |_| ());
    let mallory = alice.signs("mallory", |_| ());
    assert_eq!(judge(&[&alice], &mallory, &[]), STRANGER);
    assert!(judge(&[&alice], &mallory, &[&alice]).is_err());
    let root = Person::authority("root");
    let bob = root.signs("bob", |_| ());
    assert!(judge(&[&root], &bob.signs("mallory", |_| ()), &[&bob]).is_err());
}

#[test]
fn an_authority_that_may_not_sign_certificates_signs_none() {
    let signer = |usages: Vec<rcgen::KeyUsagePurpose>| {
        Person::new("root", |params| {
            ca(params);
            params.key_usages = usages;
        })
    };
    let may_not = signer(vec![rcgen::KeyUsagePurpose::DigitalSignature]);
    assert_eq!(judge(&[&may_not], &may_not.signs("leaf", |_| ()), &[]), STRANGER);
    let may = signer(vec![rcgen::KeyUsagePurpose::KeyCertSign]);
    assert_eq!(judge(&[&may], &may.signs("leaf", |_| ()), &[]), Ok(()));
}

#[test]
fn nobody_is_believed_outside_of_the_time_of_a_certificate() {
    let within = |from, to| {
        move |params: &mut CertificateParams| {
            ca(params);
            (params.not_before, params.not_after) = (date_time_ymd(from, 6, 1), date_time_ymd(to, 6, 1));
        }
    };
    for (from, to) in [(2021, 2023), (2027, 2029)] {
        let person = Person::new("person", within(from, to));
        let error = judge(&[&person], &person, &[]).unwrap_err().to_string();
        assert!(error.contains(if to == 2023 { "expired" } else { "not valid yet" }), "{error}");
        let signed = person.signs("signed", |_| ());
        assert_eq!(judge(&[&person], &signed, &[]), STRANGER);
        let root = Person::authority("root");
        assert!(judge(&[&root], &root.signs("person", |params| within(from, to)(params)), &[]).is_err());
    }
}

#[test]
fn a_certificate_for_servers_is_no_clients() {
    let only = |purpose| move |params: &mut CertificateParams| params.extended_key_usages = vec![purpose];
    let root = Person::authority("root");
    let (server, client) = (ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth);
    for (purpose, right, wrong) in
        [(server, Role::Server, Role::Client), (client, Role::Client, Role::Server)]
    {
        let (alone, signed) = (Person::new("one", only(purpose.clone())), root.signs("one", only(purpose)));
        for (trusted, presented) in [(&alone, &alone), (&signed, &signed), (&root, &signed)] {
            let judged = |role| trust(&[trusted]).judge(&presented.der, &[], year(2025), role);
            assert_eq!(judged(right), Ok(()));
            assert!(judged(wrong).is_err());
        }
    }
}

#[test]
fn what_is_no_certificate_cannot_be_trusted() {
    let mut trust = trust(&[]);
    for bytes in [&b""[..], b"\x30\x03\x02\x01\x00", b"certificate"] {
        assert!(matches!(trust.add(bytes.to_vec().into()), Err(Unusable::Unreadable(_))), "{bytes:?}");
    }
    assert_eq!(trust.len(), 0);
    assert!(trust.judge(&b"nonsense".to_vec().into(), &[], year(2025), Role::Client).is_err());
}

#[test]
fn a_server_is_known_by_its_alternative_names_or_else_by_its_common_name() {
    let common = |name: &'static str, others: bool| {
        Person::new("other.org", move |params| {
            params.distinguished_name = DistinguishedName::new();
            params.distinguished_name.push(DnType::CommonName, name);
            if !others {
                params.subject_alt_names.clear();
            }
        })
    };
    let named = |person: &Person, name: &'static str| {
        check_name(&person.der, &ServerName::try_from(name).unwrap()).is_ok()
    };
    let both = common("zodb.org", true);
    assert!(named(&both, "other.org"));
    assert!(!named(&both, "zodb.org"));
    let alone = common("zodb.org", false);
    assert!(named(&alone, "zodb.org") && named(&alone, "ZODB.org"));
    assert!(!named(&alone, "www.zodb.org") && !named(&alone, "other.org"));
    // A number is no name.
    assert!(!named(&common("127.0.0.1", false), "127.0.0.1"));
    assert!(named(&Person::new("127.0.0.1", |_| ()), "127.0.0.1"));
}
