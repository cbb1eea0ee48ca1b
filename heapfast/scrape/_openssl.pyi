import ssl

class OpenSsl:
    def __init__(self, context: ssl.SSLContext) -> None: ...
