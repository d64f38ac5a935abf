"""A certificate authority for the tests, and certificates from it, made with openssl(1)."""

import base64
import hashlib
import pathlib
import subprocess
import time


class Authority:
    def __init__(self, folder, name="wsgated test CA"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ca_file = self.folder / "ca.pem"
        self.ca_key = self.folder / "ca.key"
        self._openssl(
            "req", "-x509", *self._new_key(self.ca_key), "-out", self.ca_file, "-days", "2",
            "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE",
        )

    def issue(self, name, *alternative_names):
        """(certificate file, key file) for a server of these names, or a client if there are none."""
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        lines = ["basicConstraints=CA:FALSE"]
        if alternative_names:
            lines.append("subjectAltName=" + ",".join(alternative_names))
        extensions.write_text("\n".join(lines) + "\n")
        self._openssl("req", *self._new_key(key), "-out", request, "-subj", f"/CN={name}")
        self._openssl(
            "x509", "-req", "-in", request, "-out", certificate, "-days", "2", "-extfile", extensions,
            "-CA", self.ca_file, "-CAkey", self.ca_key, "-CAcreateserial",
        )
        return certificate, key

    def revoke(self, file, *certificates):
        """Writes a revocation list for a day, with these certificates besides those of earlier calls."""
        index, config = self.folder / "index.txt", self.folder / "ca.cnf"
        config.write_text(f"[ca]\ndefault_ca = this\n[this]\ndatabase = {index}\ndefault_md = sha256\n")
        index.touch()
        options = ("-config", config, "-cert", self.ca_file, "-keyfile", self.ca_key)
        for certificate in certificates:
            self._openssl("ca", *options, "-revoke", certificate)
        self._openssl("ca", *options, "-gencrl", "-crldays", "1", "-out", file)

    def encrypt(self, key, passphrase):
        """The file of the same key, for which a passphrase is needed."""
        encrypted = key.with_suffix(".encrypted")
        self._openssl("ec", "-in", key, "-aes256", "-passout", f"pass:{passphrase}", "-out", encrypted)
        return encrypted

    def encrypt_slowly(self, key, passphrase):
        """Likewise, but on this machine it takes OpenSSL 0.3 seconds of CPU time for each try."""
        encrypted = key.with_suffix(".slow")
        begun = time.process_time()
        hashlib.pbkdf2_hmac("sha256", passphrase.encode(), b"salt" * 4, 100_000)
        rounds = int(30_000 / (time.process_time() - begun))
        self._openssl(
            "pkcs8", "-topk8", "-in", key, "-v2", "aes-256-cbc", "-iter", str(rounds),
            "-passout", f"pass:{passphrase}", "-out", encrypted,
        )
        return encrypted

    @staticmethod
    def pin(certificate):
        """The public key of a certificate as a setting: "sha256//…"."""
        pem = subprocess.run(
            ["openssl", "x509", "-in", str(certificate), "-noout", "-pubkey"], check=True, capture_output=True
        ).stdout.decode()
        der = base64.b64decode("".join(pem.splitlines()[1:-1]))
        return "sha256//" + base64.b64encode(hashlib.sha256(der).digest()).decode()

    @staticmethod
    def _new_key(path):
        return "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", path

    @staticmethod
    def _openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
