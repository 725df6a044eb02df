use super::super::testing::{Files, Person};
use super::super::{ClientTls, ServerTls};
use super::*;

const CRL: &str = "-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n";

/// What a server says to its three files.
fn load(certificate: &Path, key: Option<&Path>, authenticate: &Path) -> Result<(), String> {
    open(certificate, key, None, authenticate)
}

fn open(
    certificate: &Path,
    key: Option<&Path>,
    password: Option<&Path>,
    authenticate: &Path,
) -> Result<(), String> {
    let tls = ServerTls {
        certificate: certificate.to_owned(),
        key: key.map(Path::to_owned),
        key_password: password.map(Path::to_owned),
        authenticate: authenticate.to_owned(),
    };
    tls.load().map(drop).map_err(|error| error.to_string())
}

#[test]
fn a_key_is_in_a_file_of_its_own_or_in_the_certificates() {
    let (files, person) = (Files::new(), Person::authority("server"));
    let certificate = files.put("server.pem", &person.certificate);
    let key = files.put("key.pem", &person.secret);
    assert_eq!(load(&certificate, Some(&key), &certificate), Ok(()));
    let both = files.put("both.pem", &format!("{}{}", person.secret, person.certificate));
    assert_eq!(load(&both, None, &both), Ok(()));
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_name() {
    let files = Files::new();
    let (person, other) = (Person::authority("server"), Person::authority("other"));
    let certificate = files.put("server.pem", &person.certificate);
    let key = files.put("key.pem", &person.secret);
    let fails = |certificate: &Path, key: Option<&Path>, authenticate: &Path, expected: &str| {
        let said = load(certificate, key, authenticate).unwrap_err();
        let said = said.replace(files.path("").to_str().unwrap(), "");
        assert!(said.starts_with(expected), "{said}");
    };
    let missing = files.path("missing.pem");
    fails(&missing, None, &certificate, "missing.pem: No such file or directory");
    fails(&certificate, Some(&missing), &certificate, "missing.pem: No such file or directory");
    fails(&certificate, Some(&key), &missing, "missing.pem: No such file or directory");
    fails(&files.path(""), None, &certificate, ": Is a directory");
    fails(&key, None, &certificate, "key.pem: no certificate is there");
    fails(&certificate, None, &certificate, "server.pem: no private key is there");
    fails(&certificate, Some(&key), &key, "key.pem: no certificate is there");

    let strange = files.put("other.pem", &other.secret);
    fails(
        &certificate,
        Some(&strange),
        &certificate,
        "the key other.pem does not fit the certificate server.pem",
    );

    for (number, text) in ["", "nothing of the kind", "-----BEGIN CERTIFICATE-----\n"].into_iter().enumerate()
    {
        let empty = files.put(&format!("{number}.txt"), text);
        fails(&empty, Some(&key), &certificate, &format!("{number}.txt: "));
        fails(&certificate, Some(&empty), &certificate, &format!("{number}.txt: "));
        fails(&certificate, Some(&key), &empty, &format!("{number}.txt: "));
    }
    let cut = files.put("cut.pem", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n");
    fails(&certificate, Some(&key), &cut, "cut.pem: no certificate can be read");
    fails(&cut, Some(&key), &certificate, "cut.pem: ");
    let revoked = files.put("revoked.pem", &format!("{}{CRL}", person.certificate));
    let expected = "revoked.pem: lists of revoked certificates are not supported yet";
    fails(&certificate, Some(&key), &revoked, expected);
    let long = files.put("long.pem", "");
    File::options().write(true).open(&long).unwrap().set_len(LONGEST + 1).unwrap();
    fails(&certificate, Some(&key), &long, "long.pem: too long for certificates and keys");
}

#[test]
fn an_encrypted_key_is_said_to_be_one() {
    let (files, person) = (Files::new(), Person::authority("server"));
    let certificate = files.put("server.pem", &person.certificate);
    for text in [
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: DES-EDE3-CBC,7\n\nMAA=\n\
         -----END RSA PRIVATE KEY-----\n",
    ] {
        let key = files.put("key.pem", text);
        let said = load(&certificate, Some(&key), &certificate).unwrap_err();
        assert!(
            said.contains("key.pem: the key is encrypted, and no file with its password is named"),
            "{said}"
        );
        let said = open(&certificate, Some(&key), Some(&certificate), &certificate).unwrap_err();
        assert!(said.contains("key.pem: the key is encrypted: it is damaged, or"), "{said}");
        let missing = files.path("password");
        let said = open(&certificate, Some(&key), Some(&missing), &certificate).unwrap_err();
        assert!(said.contains("password: No such file"), "{said}");
    }
}

#[test]
fn a_folder_is_trusted_for_all_certificates_in_it() {
    let files = Files::new();
    let (one, other) = (Person::authority("one"), Person::authority("other"));
    files.put("folder/one.pem", &one.certificate);
    files.put("folder/both", &format!("{}{}", one.certificate, other.certificate));
    files.put("folder/key.pem", &one.secret);
    files.put("folder/README", "who may connect");
    files.put("folder/inner/not.pem", "-----BEGIN CERTIFICATE-----");
    assert_eq!(trusted(&files.path("folder")), 3);
}

#[test]
fn in_a_folder_with_names_of_openssl_only_these_count() {
    let (files, one, other) = (Files::new(), Person::authority("one"), Person::authority("other"));
    files.put("folder/one.pem", &one.certificate);
    files.put("folder/other.pem", &other.certificate);
    std::os::unix::fs::symlink("one.pem", files.path("folder/0a1b2c3d.0")).unwrap();
    // A list of revoked certificates has an r in its name, which Python does not look at either.
    files.put("folder/0a1b2c3d.r0", CRL);
    assert_eq!(trusted(&files.path("folder")), 1);
    files.put("folder/0a1b2c3e.12", &other.certificate);
    assert_eq!(trusted(&files.path("folder")), 2);
}

#[test]
fn a_folder_that_nobody_is_trusted_by_is_refused() {
    let files = Files::new();
    for name in ["folder/inner/x", "folder/notes"] {
        files.put(name, "nothing");
        let error = trust(&files.path("folder"), &mut nobody()).unwrap_err();
        assert!(matches!(error, TlsError::NoCertificate(path) if path == files.path("folder")));
    }
    std::os::unix::fs::symlink("nowhere", files.path("folder/link")).unwrap();
    assert!(matches!(trust(&files.path("folder"), &mut nobody()), Err(TlsError::Read { .. })));
}

#[test]
fn a_client_needs_no_certificate_but_no_key_alone_and_a_name_that_is_one() {
    let (files, person) = (Files::new(), Person::authority("server"));
    let certificate = files.put("server.pem", &person.certificate);
    let tls = ClientTls::new().authenticate(&certificate);
    assert!(tls.load().is_ok());
    assert!(matches!(tls.clone().key("key.pem").load(), Err(TlsError::KeyAlone(_))));
    assert!(matches!(tls.clone().server_hostname("no name").load(), Err(TlsError::ServerName(_))));
    let own = tls.certificate(&certificate).load();
    assert!(matches!(own, Err(TlsError::NoKey(path)) if path == certificate));
}

fn nobody() -> Trust {
    Trust::new(rustls::crypto::ring::default_provider().signature_verification_algorithms)
}

/// How many certificates a place makes trusted.
fn trusted(place: &Path) -> usize {
    let mut found = nobody();
    trust(place, &mut found).unwrap();
    found.len()
}
