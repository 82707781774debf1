"""What is said of signing in."""

TEXTS = {
    "sign_in.title": "Đăng nhập",
    "sign_in.provider": "Đăng nhập bằng tài khoản của bệnh viện",
    "sign_in.name": "Tên",
    "sign_in.password": "Mật khẩu",
    "sign_in.out": "Đăng xuất",
    "sign_in.as": "đã đăng nhập với tên {name}",
    "problem.wrong_api_token": "mã truy cập này đã hết hạn, đã bị thu hồi hoặc chưa từng có; hãy tạo mã khác"
    " bằng `auscult token`",
    "problem.proxy": "proxy nêu tên một người theo cách không đáng tin; nhật ký của `auscult web` cho biết lý do",
    "problem.no_group": "Tên của bạn không thuộc nhóm nào được xem trang này. Quản trị viên của cơ sở"
    " nêu các nhóm đó trong `web.groups`.",
    "problem.provider_away": "Hệ thống đăng nhập của bệnh viện không trả lời; hãy thử lại sau một phút.",
    "problem.sign_in_failed": "Lần đăng nhập này không thành công hoặc quá lâu; hãy bắt đầu lại.",
    # Of programs, and of ending sessions
    "token.bad_name": "tên chương trình gồm chữ cái, chữ số, dấu cách, dấu chấm và gạch ngang, nhiều nhất 64 ký tự",
    "token.created": "Hãy đưa mã này cho chương trình; mã chỉ hiện một lần và có hiệu lực {days} ngày:",
    "token.none": "chưa từng có mã truy cập nào",
    "token.number": "Số",
    "token.name": "Tên",
    "token.roles": "Vai trò",
    "token.ends": "Hết hạn",
    "token.used": "Dùng lần cuối",
    "token.revoked": "đã thu hồi",
    "token.unknown": "không có mã truy cập {number} còn hiệu lực; `auscult token list` liệt kê các mã",
    "token.ended": "mã truy cập {number} không còn giá trị kể từ bây giờ",
    "logout.ended.one": "một phiên của {name} đã kết thúc",
    "logout.ended.many": "{count} phiên của {name} đã kết thúc",
    "token.made": "Ngày tạo",
}
