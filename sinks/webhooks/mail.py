"""Mail by SMTP."""

import hashlib
import smtplib
import ssl
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime

from sinks.webhooks.document import EmailEndpoint
from sinks.webhooks.outcome import Failed, Refused

SUBJECT_MAX = 200


def mail_of(
    endpoint: EmailEndpoint, message_id: str, subject: str, body: str, now_s: float
) -> EmailMessage:
    """The mail. Its ``Message-ID`` is the same at every attempt, so that a repeat can be told."""
    mail = EmailMessage()
    mail["From"] = endpoint.sender
    mail["To"] = ", ".join(endpoint.recipients)
    mail["Subject"] = " ".join(subject.split())[:SUBJECT_MAX]
    mail["Date"] = format_datetime(datetime.fromtimestamp(now_s, UTC))
    digest = hashlib.sha256(f"{endpoint.name}\0{message_id}".encode()).hexdigest()[:32]
    domain = endpoint.sender.rpartition("@")[2].strip("> ")
    mail["Message-ID"] = f"<{digest}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(body)
    return mail


def send_mail(
    endpoint: EmailEndpoint, mail: EmailMessage, password: str, context: ssl.SSLContext
) -> dict[str, tuple[int, bytes]]:
    """Send a mail; the recipients that the server refused while it took others.

    Raises ``Failed`` and ``Refused``.
    """
    try:
        with _connected(endpoint, context) as server:
            if endpoint.security == "starttls":
                server.starttls(context=context)
            if endpoint.username is not None:
                server.login(endpoint.username, password)
            return server.send_message(mail)
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        raise _judged(min(codes), f"all recipients refused ({min(codes)})") from error
    except (smtplib.SMTPDataError, smtplib.SMTPSenderRefused) as error:
        raise _judged(error.smtp_code, f"refused ({error.smtp_code})") from error
    except (OSError, smtplib.SMTPException) as error:
        raise Failed(f"{type(error).__name__}: {error}") from error


def _connected(endpoint: EmailEndpoint, context: ssl.SSLContext) -> smtplib.SMTP:
    place = (endpoint.host, endpoint.port)
    if endpoint.security == "tls":
        return smtplib.SMTP_SSL(*place, timeout=endpoint.timeout_s, context=context)
    return smtplib.SMTP(*place, timeout=endpoint.timeout_s)


def _judged(code: int, why: str) -> Failed | Refused:
    """A permanent refusal (5xx of RFC 5321) or one for now."""
    return Refused(why) if 500 <= code < 600 else Failed(why)
