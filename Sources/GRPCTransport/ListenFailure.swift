import Glibc

/// Explains why a program can't listen on an address.
public enum ListenFailure {
    private static let meanings = [
        EADDRINUSE: "the port is taken; does another Ballast run?",
        EADDRNOTAVAIL: "the address is none of this machine's",
        EACCES: "this user may not listen on that port",
    ]

    /// The explanation of an `errno` value; nil for rare ones.
    public static func sentence(errno code: CInt) -> String? { meanings[code] }

    /// The explanation of a log line that contains the system's error message.
    static func sentence(in text: String) -> String? {
        meanings.first { code, _ in strerror(code).map { text.contains(String(cString: $0)) } == true }?.value
    }
}
