import Glibc

/// Why a program can't listen on an address, for people.
public enum ListenFailure {
    private static let meanings = [
        EADDRINUSE: "the port is taken; does another Ballast run?",
        EADDRNOTAVAIL: "the address is none of this machine's",
        EACCES: "this user may not listen on that port",
    ]

    /// What the system's number means; nil for one that is seldom seen.
    public static func sentence(errno code: CInt) -> String? { meanings[code] }

    /// The same of the system's words in a text.
    static func sentence(in text: String) -> String? {
        meanings.first { code, _ in strerror(code).map { text.contains(String(cString: $0)) } == true }?.value
    }
}
